// HDF5 identifiers that close themselves, and HDF5 failures as exceptions.
//
// The shape (a move-only owner a kind of identifier, errors with the library's own words) follows HighFive; the C API
// is used directly because the dataset needs calls that wrappers hide (H5Dget_offset, allocation and fill times). HDF5
// as Debian builds it is not thread-safe: one thread of a process at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <hdf5.h>

namespace ligature {

enum class StoredType : std::uint8_t;  // io/dataset.hpp

// Throws Error: what, then the innermost reason on HDF5's error stack, which is cleared.
[[noreturn]] void throw_hdf5(const std::string& what);

// Stops HDF5 from printing its error stack; every failure is thrown instead.  Idempotent.
void silence_hdf5() noexcept;

// Gives code back, or throws Error if it says failure (negative, as in every HDF5 call).
template <typename Code>
Code check_hdf5(Code code, const std::string& what) {
  if (code < 0) throw_hdf5(what);
  return code;
}

// Closes a file, and remembers if HDF5 could not.
herr_t close_hdf5_file(hid_t file) noexcept;
// True once a file could not be closed, on a full disk say.  HDF5 1.10 then crashes when it is ended, as it is by
// MPI_Finalize and exit: the process must leave by std::_Exit.
bool hdf5_is_unsound() noexcept;

template <herr_t (*kClose)(hid_t)>
class Hdf5Handle {
 public:
  Hdf5Handle() = default;
  // Takes over an identifier just opened; throws Error if opening it failed.
  Hdf5Handle(hid_t id, const std::string& what) : id_(check_hdf5(id, what)) {}
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(std::exchange(other.id_, kNone)) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~Hdf5Handle() {
    if (id_ != kNone) kClose(id_);
  }

  [[nodiscard]] hid_t get() const noexcept { return id_; }

  // Closes now, and throws Error if closing lost something.
  void close(const std::string& what) {
    if (const hid_t id = std::exchange(id_, kNone); id != kNone) check_hdf5(kClose(id), what);
  }

 private:
  static constexpr hid_t kNone = -1;
  hid_t id_ = kNone;
};

using Hdf5File = Hdf5Handle<close_hdf5_file>;
using Hdf5Group = Hdf5Handle<H5Gclose>;
using Hdf5Object = Hdf5Handle<H5Oclose>;
using Hdf5Dataset = Hdf5Handle<H5Dclose>;
using Hdf5Space = Hdf5Handle<H5Sclose>;
using Hdf5Type = Hdf5Handle<H5Tclose>;
using Hdf5Attribute = Hdf5Handle<H5Aclose>;
using Hdf5Properties = Hdf5Handle<H5Pclose>;

// The little-endian type of a numeric column as the file has it.  REQUIRES: not StoredType::text32.
hid_t hdf5_numeric_type(StoredType type);

// A string type of UTF-8 of fixed width (at least 1), padded with NUL.
Hdf5Type hdf5_text_type(std::size_t width);

}  // namespace ligature
