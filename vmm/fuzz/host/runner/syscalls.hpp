// System calls without a C library: -errno is what they return.
#pragma once

#include <asm/unistd.h>

#include <cstdint>

namespace faultline::vmm::fuzz::host {

template <class T>
inline std::uint64_t word(T value) {
  return (std::uint64_t)value;  // of numbers and of pointers
}

inline std::int64_t call6(std::uint64_t number, std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d,
                          std::uint64_t e, std::uint64_t f) {
  std::int64_t result;
  register std::uint64_t r10 asm("r10") = d;
  register std::uint64_t r8 asm("r8") = e;
  register std::uint64_t r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

template <class A = int, class B = int, class C = int, class D = int, class E = int, class F = int>
inline std::int64_t call(std::uint64_t number, A a = 0, B b = 0, C c = 0, D d = 0, E e = 0, F f = 0) {
  return call6(number, word(a), word(b), word(c), word(d), word(e), word(f));
}

}  // namespace faultline::vmm::fuzz::host
