#include "vmm/linux_abi/signal_types.hpp"

namespace faultline::vmm::linux_abi {

SignalInfo SignalInfo::fault(int signo, int code, std::uint64_t address, Trap trap) {
  SignalInfo s;
  s.info.si_signo = signo;
  s.info.si_code = code;
  // The kernel writes si_addr wherever the fault came from; the ABI has it as a pointer.
  std::memcpy(&s.info.si_addr, &address, sizeof address);
  s.trap = trap;
  return s;
}

SignalInfo SignalInfo::from_user(int signo, int code, int pid, std::uint32_t uid) {
  SignalInfo s;
  s.info.si_signo = signo;
  s.info.si_code = code;
  s.info.si_pid = pid;
  s.info.si_uid = uid;
  return s;
}

}  // namespace faultline::vmm::linux_abi
