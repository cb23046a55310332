// HDF5's error stack as one line of text.
#include "io/hdf5_handle.hpp"

#include <cstddef>

#include "engine/error.hpp"
#include "io/dataset.hpp"

namespace ligature {

namespace {

// H5Ewalk visits the innermost frame first: that one names the cause, the rest only who called whom.
herr_t take_first(unsigned, const H5E_error2_t* frame, void* text) {
  auto& reason = *static_cast<std::string*>(text);
  if (reason.empty() && frame->desc != nullptr) reason = frame->desc;
  return 0;
}

bool unsound = false;  // HDF5 is called from one thread at a time

}  // namespace

herr_t close_hdf5_file(hid_t file) noexcept {
  const herr_t code = H5Fclose(file);
  unsound = unsound || code < 0;
  return code;
}

bool hdf5_is_unsound() noexcept {
  return unsound;
}

void silence_hdf5() noexcept {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

void throw_hdf5(const std::string& what) {
  std::string reason;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_first, &reason);
  H5Eclear2(H5E_DEFAULT);
  throw Error(reason.empty() ? what : what + ": " + reason);
}

hid_t hdf5_numeric_type(StoredType type) {
  switch (type) {
    case StoredType::u8:
      return H5T_STD_U8LE;
    case StoredType::u16:
      return H5T_STD_U16LE;
    case StoredType::u32:
      return H5T_STD_U32LE;
    case StoredType::u64:
      return H5T_STD_U64LE;
    case StoredType::i8:
      return H5T_STD_I8LE;
    case StoredType::i16:
      return H5T_STD_I16LE;
    case StoredType::i32:
      return H5T_STD_I32LE;
    case StoredType::i64:
      return H5T_STD_I64LE;
    case StoredType::f32:
      return H5T_IEEE_F32LE;
    case StoredType::f64:
      return H5T_IEEE_F64LE;
    case StoredType::text32:
      break;
  }
  throw Error("not a numeric column type");
}

Hdf5Type hdf5_text_type(std::size_t width) {
  Hdf5Type type(H5Tcopy(H5T_C_S1), "cannot make an HDF5 string type");
  check_hdf5(H5Tset_size(type.get(), width), "cannot size an HDF5 string type");
  check_hdf5(H5Tset_cset(type.get(), H5T_CSET_UTF8), "cannot set the encoding of an HDF5 string type");
  check_hdf5(H5Tset_strpad(type.get(), H5T_STR_NULLPAD), "cannot pad an HDF5 string type");
  return type;
}

}  // namespace ligature
