#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "vmm/kvm/backend.hpp"
#include "vmm/kvm/doctor_parts.hpp"

namespace faultline::vmm::kvm {
namespace {

// The first line of a file; empty when it cannot be read.
std::string first_line(const std::string& path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  return line;
}

// What follows "key" and a colon in a file of such lines, as /proc/cpuinfo and meminfo are.
std::string value_of(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || line.compare(0, key.size(), key) != 0) continue;
    if (line.find_first_not_of(" \t", key.size()) != colon) continue;
    const std::size_t start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

// The choice in brackets: "always [madvise] never" is "madvise".
std::string chosen(const std::string& line) {
  const std::size_t open = line.find('[');
  const std::size_t close = line.find(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return line;
  return line.substr(open + 1, close - open - 1);
}

bool has_word(const std::string& text, const std::string& word) {
  std::istringstream words(text);
  for (std::string w; words >> w;) {
    if (w == word) return true;
  }
  return false;
}

std::string or_unknown(std::string value) { return value.empty() ? "unknown" : std::move(value); }

std::string virtualization(const std::string& flags) {
  if (has_word(flags, "vmx")) return "VMX (vmx in /proc/cpuinfo)";
  if (has_word(flags, "svm")) return "SVM (svm in /proc/cpuinfo)";
  return has_word(flags, "hypervisor") ? "none; this machine is itself a guest" : "none";
}

}  // namespace

void describe_host(const DoctorPaths& paths, DoctorReport& report) {
  utsname name{};
  ::uname(&name);
  const std::string cpuinfo = paths.proc + "/cpuinfo";
  const std::string meminfo = paths.proc + "/meminfo";
  const std::string thp = paths.sysfs + "/kernel/mm/transparent_hugepage/";
  report.host = {
      {"kernel", fmt::format("{} {}", name.sysname, name.release)},
      {"CPU", or_unknown(value_of(cpuinfo, "model name"))},
      {"CPUs online", std::to_string(::sysconf(_SC_NPROCESSORS_ONLN))},
      {"hardware virtualization", virtualization(value_of(cpuinfo, "flags"))},
      {"memory", or_unknown(value_of(meminfo, "MemTotal"))},
      {"memory available", or_unknown(value_of(meminfo, "MemAvailable"))},
      {"huge pages (anonymous)", or_unknown(chosen(first_line(thp + "enabled")))},
      {"huge pages (shmem)", or_unknown(chosen(first_line(thp + "shmem_enabled")))},
  };
}

void explain_missing_kvm(const DoctorPaths& paths, const std::string& error, DoctorReport& report) {
  const std::size_t split = error.find("; ");
  report.missing.push_back({error.substr(0, split), split == std::string::npos ? "" : error.substr(split + 2)});
  const std::string flags = value_of(paths.proc + "/cpuinfo", "flags");
  const bool has_hardware = has_word(flags, "vmx") || has_word(flags, "svm");
  const bool software = find_backend(paths.sysfs).name == "kvm-pvm";  // needs none
  if (has_hardware || software || flags.empty()) return;
  if (has_word(flags, "hypervisor")) {
    report.missing.push_back({"the hypervisor of this machine offers it no virtualization",
                              "enable nested virtualization for it, or use a host with a software KVM (PVM)"});
  } else {
    report.missing.push_back({"this CPU shows neither vmx nor svm",
                              "enable virtualization (VT-x, SVM) in the firmware, or use another machine"});
  }
}

}  // namespace faultline::vmm::kvm
