// Why a program cannot be started: one line for the person, and the status a shell would use.
#pragma once

#include <cerrno>
#include <string>
#include <tl/expected.hpp>

namespace faultline::vmm::linux_abi {

struct LoadError {
  static constexpr int kUsage = 2;
  static constexpr int kCannotExecute = 126;
  static constexpr int kNotFound = 127;

  int exit_status = kCannotExecute;
  std::string message;  // without a final newline or program prefix
  int error = ENOEXEC;  // what execve(2) returns for it
};

template <class T>
using LoadResult = tl::expected<T, LoadError>;

inline tl::unexpected<LoadError> cannot_execute(std::string message, int error = ENOEXEC) {
  return tl::unexpected(LoadError{LoadError::kCannotExecute, std::move(message), error});
}

}  // namespace faultline::vmm::linux_abi
