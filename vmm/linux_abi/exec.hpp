// Starts a program: finds and checks the file, loads it into a new address space, and sets
// the vCPU at its entry (Linux do_execveat_common).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vmm/linux_abi/files_policy.hpp"
#include "vmm/linux_abi/initial_stack.hpp"
#include "vmm/linux_abi/process_table.hpp"

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

// A program in an address space of its own that nothing has run in yet.
struct ProgramImage {
  std::shared_ptr<mmu::AddressSpace> mm;
  std::uint64_t entry = 0, rsp = 0;
  std::uint64_t load_bias = 0;
  std::string path;                               // what /proc/self/exe is
  std::string name;                               // as prctl(PR_GET_NAME) gives it
  std::shared_ptr<const FileDescriptor> program;  // open for reading

  // Linux start_thread: everything zero but the instruction and stack pointers.
  [[nodiscard]] Result<void> enter(Vcpu& vcpu) const;
};

// What load_program() is given beside the file.
struct LoadRequest {
  std::string path;       // of the file itself: areas, /proc/self/exe
  std::string exec_name;  // as the caller named it: AT_EXECFN, the task's name
  std::vector<std::string> argv, envp;
  mmu::Limits limits;
  std::uint64_t hwcap = 0, hwcap2 = 0;  // as in ExecRequest
};

// Loads the executable open as `file` (Linux load_elf_binary). LoadError::error says what execve
// returns.
LoadResult<ProgramImage> load_program(FileDescriptor file, const LoadRequest& request, const mmu::MmuEnv& env,
                                      const Vcpu& vcpu);

// `program` and friends to the table's first task, whose vCPU is ready to run(): registers, page
// table, FS base. Errors: 127 not found, 126 cannot be executed, each one line.
LoadResult<Task*> exec_program(const ExecRequest& request, const mmu::MmuEnv& env, Vcpu& vcpu, ProcessTable& processes);

}  // namespace faultline::vmm::linux_abi
