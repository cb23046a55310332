#include "io/block_source.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include <zlib.h>
#include <zstd.h>

#include "engine/error.hpp"
#include "io/files.hpp"

namespace ligature {

namespace {

constexpr std::array<unsigned char, 2> kGzipMagic{0x1F, 0x8B};              // RFC 1952
constexpr std::array<unsigned char, 4> kZstdMagic{0x28, 0xB5, 0x2F, 0xFD};  // RFC 8878

template <std::size_t N>
bool starts_with(std::span<const std::byte> bytes, const std::array<unsigned char, N>& magic) noexcept {
  return bytes.size() >= N && std::memcmp(bytes.data(), magic.data(), N) == 0;
}

}  // namespace

Compression compression_of(const std::string& path, std::span<const std::byte> first_bytes) noexcept {
  if (path.ends_with(".gz") || starts_with(first_bytes, kGzipMagic)) return Compression::gzip;
  if (path.ends_with(".zst") || starts_with(first_bytes, kZstdMagic)) return Compression::zstd;
  return Compression::none;
}

// What the three have in common: the file, and its bytes as they lie on disk, a chunk at a time.
class ByteStream::Decoder {
 public:
  Decoder(const std::string& path, std::size_t raw_bytes, std::function<void(std::span<const std::byte>)> raw_chunk)
      : file_(File::open_read(path)), raw_bytes_(raw_bytes), raw_chunk_(std::move(raw_chunk)) {}
  virtual ~Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  virtual std::size_t read(std::span<char> bytes) = 0;

 protected:
  // The raw bytes that are not used yet; a further chunk when there are none; empty at the end of the file.
  std::span<std::byte> raw() {
    if (!unused_.empty() || ended_) return unused_;
    chunk_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(raw_bytes_, file_.size() - offset_)));
    unused_ = std::span(chunk_).first(file_.read_at(offset_, chunk_));
    offset_ += unused_.size();
    ended_ = unused_.empty();
    if (raw_chunk_ && !ended_) raw_chunk_(unused_);
    return unused_;
  }
  void use_up(std::size_t bytes) { unused_ = unused_.subspan(bytes); }
  [[noreturn]] void fail(const char* problem) const { throw Error(file_.path().string() + ": " + problem); }

 private:
  File file_;
  std::size_t raw_bytes_;
  std::function<void(std::span<const std::byte>)> raw_chunk_;
  std::vector<std::byte> chunk_;
  std::span<std::byte> unused_;
  std::uint64_t offset_ = 0;
  bool ended_ = false;
};

class ByteStream::PlainDecoder final : public Decoder {
 public:
  using Decoder::Decoder;
  std::size_t read(std::span<char> bytes) override {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const std::span<std::byte> source = raw();
      if (source.empty()) break;
      const std::size_t part = std::min(source.size(), bytes.size() - done);
      std::memcpy(bytes.data() + done, source.data(), part);
      use_up(part);
      done += part;
    }
    return done;
  }
};

class ByteStream::GzipDecoder final : public Decoder {
 public:
  GzipDecoder(const std::string& path, std::size_t raw_bytes, std::function<void(std::span<const std::byte>)> raw_chunk)
      : Decoder(path, raw_bytes, std::move(raw_chunk)) {
    constexpr int kGzipOnly = 16;  // added to the window bits: expect a gzip header and check its CRC
    if (inflateInit2(&stream_, MAX_WBITS + kGzipOnly) != Z_OK) fail("no memory to decompress");
  }
  ~GzipDecoder() override { inflateEnd(&stream_); }

  std::size_t read(std::span<char> bytes) override {
    constexpr std::size_t kMost = std::size_t{1} << 30;  // zlib counts in 32 bits
    std::size_t done = 0;
    while (done < bytes.size()) {
      const std::span<std::byte> source = raw();
      if (source.empty()) {
        if (inside_member_) fail("the gzip file ends early");
        break;
      }
      if (!inside_member_ && padding(source)) continue;
      inside_member_ = true;
      const std::size_t given = std::min(source.size(), kMost), room = std::min(bytes.size() - done, kMost);
      stream_.next_in = reinterpret_cast<Bytef*>(source.data());
      stream_.avail_in = static_cast<uInt>(given);
      stream_.next_out = reinterpret_cast<Bytef*>(bytes.data() + done);
      stream_.avail_out = static_cast<uInt>(room);
      const int code = inflate(&stream_, Z_NO_FLUSH);
      if (code != Z_OK && code != Z_STREAM_END) fail("the gzip file is broken");
      use_up(given - stream_.avail_in);
      done += room - stream_.avail_out;
      if (code == Z_STREAM_END) {
        inside_member_ = false;
        any_member_ = true;
        inflateReset(&stream_);
      }
    }
    return done;
  }

 private:
  // gzip(1) lets zero bytes stand after the last member, as tapes leave them.
  bool padding(std::span<std::byte> source) {
    if (!any_member_ || source[0] != std::byte{0}) return false;
    const auto other = std::find_if(source.begin(), source.end(), [](std::byte b) { return b != std::byte{0}; });
    use_up(static_cast<std::size_t>(other - source.begin()));
    return true;
  }

  z_stream stream_{};
  bool inside_member_ = false;
  bool any_member_ = false;
};

class ByteStream::ZstdDecoder final : public Decoder {
 public:
  ZstdDecoder(const std::string& path, std::size_t raw_bytes, std::function<void(std::span<const std::byte>)> raw_chunk)
      : Decoder(path, raw_bytes, std::move(raw_chunk)), stream_(ZSTD_createDStream(), &ZSTD_freeDStream) {
    if (!stream_) fail("no memory to decompress");
  }

  std::size_t read(std::span<char> bytes) override {
    ZSTD_outBuffer out{bytes.data(), bytes.size(), 0};
    while (out.pos < out.size) {
      const std::span<std::byte> source = raw();
      // Output may still wait inside the decoder when the input is used up.
      if (source.empty() && !inside_frame_) break;
      const std::size_t had = out.pos;
      ZSTD_inBuffer in{source.data(), source.size(), 0};
      const std::size_t code = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(code) != 0) fail("the zstd file is broken");
      use_up(in.pos);
      inside_frame_ = code != 0;
      if (source.empty() && inside_frame_ && out.pos == had) fail("the zstd file ends early");
    }
    return out.pos;
  }

 private:
  std::unique_ptr<ZSTD_DStream, std::size_t (*)(ZSTD_DStream*)> stream_;
  bool inside_frame_ = false;
};

ByteStream::ByteStream(const std::string& path, Compression compression, std::size_t raw_bytes,
                       std::function<void(std::span<const std::byte>)> raw_chunk) {
  if (compression == Compression::gzip) {
    decoder_ = std::make_unique<GzipDecoder>(path, raw_bytes, std::move(raw_chunk));
  } else if (compression == Compression::zstd) {
    decoder_ = std::make_unique<ZstdDecoder>(path, raw_bytes, std::move(raw_chunk));
  } else {
    decoder_ = std::make_unique<PlainDecoder>(path, raw_bytes, std::move(raw_chunk));
  }
}

ByteStream::ByteStream(ByteStream&&) noexcept = default;
ByteStream& ByteStream::operator=(ByteStream&&) noexcept = default;
ByteStream::~ByteStream() = default;

std::size_t ByteStream::read(std::span<char> bytes) {
  return decoder_->read(bytes);
}

}  // namespace ligature
