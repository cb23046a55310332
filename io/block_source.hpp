// The bytes of an input file, plain, gzip (several members too) or Zstandard (several frames too), one after another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "io/intake.hpp"

namespace ligature {

// The compression that a file's name or first bytes tell.
Compression compression_of(const std::string& path, std::span<const std::byte> first_bytes) noexcept;

// Reads a file from its beginning to its end, decompressing on the way.  Move-only.
class ByteStream {
 public:
  // raw_chunk: told every chunk of raw_bytes bytes of the file as it lies on disk (the last may be shorter), in order.
  // Throws Error that names the file if it cannot be read.
  ByteStream(const std::string& path, Compression compression, std::size_t raw_bytes,
             std::function<void(std::span<const std::byte>)> raw_chunk = {});
  ByteStream(ByteStream&&) noexcept;
  ByteStream& operator=(ByteStream&&) noexcept;
  ~ByteStream();

  // Fills bytes; returns fewer than asked only at the end of the file.  Throws Error that names the file if its
  // compression is broken or ends early.
  std::size_t read(std::span<char> bytes);

 private:
  class Decoder;
  class PlainDecoder;
  class GzipDecoder;
  class ZstdDecoder;
  std::unique_ptr<Decoder> decoder_;
};

}  // namespace ligature
