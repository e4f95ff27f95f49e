// Starts a program: finds and checks the file, loads it into a new address space, and sets
// the vCPU at its entry (Linux do_execveat_common).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vmm/linux_abi/files_policy.hpp"
#include "vmm/linux_abi/initial_stack.hpp"
#include "vmm/linux_abi/task.hpp"

namespace faultline::vmm::linux_abi {

struct ExecRequest {
  std::string program;            // a path, or a name without '/' looked up in `search_path`
  std::vector<std::string> argv;  // argv[0] included
  std::vector<std::string> envp;  // "NAME=value"
  std::string search_path;        // colon separated, as $PATH
  FilesPolicy files;
  std::optional<mmu::Limits> limits;  // absent: those of the calling process
  // AT_HWCAP, CPUID.1:EDX as the guest sees it; 0: the host's. AT_HWCAP2 (ring 3 MWAIT,
  // FSGSBASE) is told only as given: the guest's CR4 decides.
  std::uint64_t hwcap = 0, hwcap2 = 0;
};

// `program` and friends to a task whose vCPU is ready to run(): registers, page table, FS base.
// Errors: 127 not found, 126 cannot be executed, each one line.
LoadResult<std::unique_ptr<Task>> exec_program(const ExecRequest& request, const mmu::MmuEnv& env, Vcpu& vcpu);

}  // namespace faultline::vmm::linux_abi
