// Walking an HDF5 file without believing it: the links of a group, the attributes of an object.
//
// Soft and external links are reported, never followed (they may lead into other files), and sizes that a damaged file
// claims are checked before anything is allocated for them.  Text of variable length is reported, never read: HDF5 1.10
// follows its references into the file's heap unchecked, and one wrong byte there is a crash.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/dataset.hpp"
#include "io/hdf5_handle.hpp"

namespace ligature {

struct Hdf5Link {
  std::string name;
  bool hard = false;
};

// The links of a group, in byte order of their names.  where: the group's path, for errors.  Only of groups that keep
// their links in the header: HDF5 1.10 does not survive damage to those that keep them in heaps (it frees a table of
// links that it has not filled).
std::vector<Hdf5Link> hdf5_links(hid_t group, const std::string& where);

struct Hdf5Attributes {
  Attributes values;                    // scalar text of fixed width and numbers, in byte order of their names
  std::vector<std::string> unexpected;  // names of attributes of any other kind
};

// The attributes of an object.  limit: no attribute is larger than the file itself.
Hdf5Attributes hdf5_attributes(hid_t object, const std::string& where, std::uint64_t limit);

}  // namespace ligature
