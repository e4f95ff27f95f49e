#include "vmm/fuzz/campaign/judges.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "mmu/base/check.hpp"

namespace faultline::vmm::fuzz {

std::vector<std::string_view> judge_names() { return {"reference", "model", "kvm", "hosted", "linux"}; }

std::vector<std::string> default_judges() { return {"reference", "model", "guest", "linux"}; }

Result<std::unique_ptr<Judge>> make_judge(std::string_view name, std::string_view backend) {
  if (name == "reference") return make_reference();
  if (name == "model") return make_model();
  if (name == "linux") return make_host();
  if (name == "guest") return make_guest(backend);
  FL_CHECK(name == "kvm" || name == "hosted");
  return make_guest(name);
}

Result<Judges> make_judges(std::span<const std::string> names, std::string_view backend) {
  static constexpr std::array<std::string_view, 6> kOrder{"reference", "model", "guest", "kvm", "hosted", "linux"};
  Judges judges;
  for (const std::string_view name : kOrder) {
    if (std::ranges::find(names, name) == names.end()) continue;
    auto judge = make_judge(name, backend);
    if (!judge) return fail(fmt::format("judge {}: {}", name, judge.error().message));
    judges.push_back(std::move(*judge));
  }
  return judges;
}

namespace {

// False: it cannot be had, and `fd` hears why.
bool try_judge(std::string_view name, std::string_view backend, int fd) {
  const auto judge = make_judge(name, backend);
  if (judge) return true;
  const std::string& why = judge.error().message;
  static_cast<void>(!::write(fd, why.data(), why.size()));
  return false;
}

}  // namespace

Available available_judges(std::span<const std::string> names, std::string_view backend) {
  Available available;
  for (const std::string& name : names) {
    std::array<int, 2> pipe{};
    FL_CHECK(::pipe2(pipe.data(), O_CLOEXEC) == 0);
    const FileDescriptor reader(pipe[0]);
    FileDescriptor writer(pipe[1]);
    const pid_t child = ::fork();
    if (child == 0) ::_exit(try_judge(name, backend, writer.get()) ? 0 : 1);
    writer = FileDescriptor();
    std::array<char, 1024> said{};
    const ssize_t n = ::read(reader.get(), said.data(), said.size());
    int status = 0;
    while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (child > 0 && status == 0) {
      available.names.push_back(name);
    } else {
      const std::string why = n > 0 ? std::string(said.data(), static_cast<std::size_t>(n)) : "it died";
      available.missing.push_back(fmt::format("judge {}: {}", name, why));
    }
  }
  return available;
}

}  // namespace faultline::vmm::fuzz
