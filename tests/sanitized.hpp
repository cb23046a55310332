// How much tests that repeat themselves do under a sanitizer: fewer of the same, as all of it runs without one.
#pragma once

namespace ligature {

// GCC has macros, clang asks for features.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

// full, but under a sanitizer fewer: enough of them that every path is taken.
template <typename Number>
constexpr Number unless_sanitized(Number full, Number fewer) {
  return kSanitized ? fewer : full;
}

}  // namespace ligature
