// A broken invariant of our own aborts with a message. What a guest does wrong, or
// what the host cannot do, is never a check: those are values (result.hpp).
#pragma once

#include <cstdio>
#include <cstdlib>

namespace faultline::detail {
[[noreturn]] inline void check_failed(const char* expr, const char* file, int line) {
  std::fprintf(stderr, "faultline: internal error: %s (%s:%d)\n", expr, file, line);
  std::abort();
}
}  // namespace faultline::detail

#define FL_CHECK(expr) \
  (static_cast<bool>(expr) ? static_cast<void>(0) : ::faultline::detail::check_failed(#expr, __FILE__, __LINE__))
