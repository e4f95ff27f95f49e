// Results. SysResult carries a Linux errno (what the guest gets to see); Result carries
// an Error with context (what the person at the terminal gets to see).
#pragma once

#include <cerrno>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace faultline {

// A Linux errno value, positive (EINVAL, ENOMEM, ...). The host's numbers are the guest's:
// both are x86-64 Linux.
class Errno {
 public:
  constexpr explicit Errno(int value) : value_(value) {}
  [[nodiscard]] constexpr int value() const { return value_; }
  constexpr bool operator==(const Errno&) const = default;

 private:
  int value_;
};

template <class T>
using SysResult = tl::expected<T, Errno>;

inline tl::unexpected<Errno> sys_error(int errno_value) { return tl::unexpected(Errno(errno_value)); }

// Something that the host cannot do, or an input that cannot be used: one clear line.
struct Error {
  std::string message;  // one line, names the input and what to do about it
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(std::string message) { return tl::unexpected(Error{std::move(message)}); }

}  // namespace faultline
