// Uses faultline::vmm: asks for a program that does not exist. What comes back is a value with one
// line and a status, on every machine: not found where there is KVM, no KVM where there is none.
#include <cstdio>

#include "vmm/run/session.hpp"

using namespace faultline::vmm;

int main() {
  SessionConfig config;
  config.machine.memory_bytes = 64u << 20;
  config.exec.program = "/no/such/program";
  config.exec.argv = {"program"};
  const auto session = Session::create(config);
  if (session) return 1;
  std::printf("%d: %s\n", session.error().exit_status, session.error().message.c_str());
  return session.error().exit_status == 127 || session.error().exit_status == 125 ? 0 : 1;
}
