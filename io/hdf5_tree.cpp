// Links and attributes of HDF5 objects, collected by the library's iterators and then opened one by one.
#include "io/hdf5_tree.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "engine/error.hpp"

namespace ligature {

namespace {

// The iterators are C: an exception must not pass through them, so running out of memory becomes their error code.
herr_t collect_link(hid_t, const char* name, const H5L_info_t* info, void* links) noexcept {
  try {
    static_cast<std::vector<Hdf5Link>*>(links)->push_back({name, info->type == H5L_TYPE_HARD});
  } catch (const std::bad_alloc&) {
    return -1;
  }
  return 0;
}

herr_t collect_name(hid_t, const char* name, const H5A_info_t*, void* names) noexcept {
  try {
    static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  } catch (const std::bad_alloc&) {
    return -1;
  }
  return 0;
}

std::string text_of(hid_t attribute, hid_t type, const std::string& what, std::uint64_t limit) {
  const std::size_t width = H5Tget_size(type);
  if (width == 0 || width > limit) throw_hdf5(what + ": impossible size");
  std::string value(width, '\0');
  check_hdf5(H5Aread(attribute, type, value.data()), what);
  value.resize(std::min(value.find('\0'), value.size()));
  return value;
}

}  // namespace

std::vector<Hdf5Link> hdf5_links(hid_t group, const std::string& where) {
  H5G_info_t info;
  check_hdf5(H5Gget_info(group, &info), "cannot examine " + where);
  if (info.storage_type != H5G_STORAGE_TYPE_COMPACT) {
    throw Error("the group " + where + " keeps its links in a form that this format does not have");
  }
  std::vector<Hdf5Link> links;
  check_hdf5(H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, nullptr, collect_link, &links), "cannot list " + where);
  std::sort(links.begin(), links.end(), [](const Hdf5Link& a, const Hdf5Link& b) { return a.name < b.name; });
  return links;
}

Hdf5Attributes hdf5_attributes(hid_t object, const std::string& where, std::uint64_t limit) {
  std::vector<std::string> names;
  check_hdf5(H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, nullptr, collect_name, &names),
             "cannot list the attributes of " + where);
  std::sort(names.begin(), names.end());
  Hdf5Attributes found;
  for (const std::string& name : names) {
    const std::string what = "cannot read an attribute of " + where;
    const Hdf5Attribute attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), what);
    const Hdf5Type type(H5Aget_type(attribute.get()), what);
    const Hdf5Space space(H5Aget_space(attribute.get()), what);
    const bool scalar = H5Sget_simple_extent_type(space.get()) == H5S_SCALAR;
    const H5T_class_t kind = H5Tget_class(type.get());
    if (scalar && kind == H5T_STRING && check_hdf5(H5Tis_variable_str(type.get()), what) == 0) {
      found.values.emplace_back(name, text_of(attribute.get(), type.get(), what, limit));
    } else if (scalar && kind == H5T_INTEGER) {
      std::uint64_t number = 0;
      check_hdf5(H5Aread(attribute.get(), H5T_NATIVE_UINT64, &number), what);
      found.values.emplace_back(name, number);
    } else {
      found.unexpected.push_back(name);
    }
  }
  return found;
}

}  // namespace ligature
