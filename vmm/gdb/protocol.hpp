// What GDB may ask of a process that stands still, packet by packet. GDB manual, appendix "GDB Remote
// Serial Protocol". A packet that makes no sense is answered with an error, one that is not known
// with an empty reply, as the protocol wants it; none has any other effect.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/gdb/packet.hpp"
#include "vmm/gdb/program_file.hpp"
#include "vmm/gdb/tracee.hpp"

namespace faultline::vmm::gdb {

// "monitor NAME ARGUMENTS" of the client's.
struct MonitorCommand {
  std::string name, usage, help;
  // The answer, lines ending in a newline.
  std::function<std::string(linux_abi::Task&, const std::string& arguments)> run;
};

class Protocol {
 public:
  // `send`: a packet besides the reply. Both outlive it, `tracee` too.
  Protocol(Tracee& tracee, const std::vector<MonitorCommand>& monitor, std::function<void(std::string_view)> send)
      : tracee_(tracee), monitor_(monitor), send_(std::move(send)) {}

  struct Answer {
    std::optional<std::string> reply;
    std::optional<Resume> resume;      // after the reply
    bool no_acknowledgements = false;  // from behind the reply on
  };
  // `stop`: why the process stands still.
  Answer handle(std::string_view packet, const Stop& stop);

  [[nodiscard]] std::string stop_reply(const Stop& stop) const;
  // Of the end of the process.
  static std::string end_reply(const linux_abi::ExitStatus& status);

 private:
  std::string read_memory(Scanner in) const;
  std::string write_memory(Scanner in, bool binary);
  std::string read_registers();
  std::string write_registers(std::string_view hex);
  std::string read_register(Scanner in);
  std::string write_register(Scanner in);
  std::string point(Scanner in, bool insert);
  std::string query(Scanner in, const Stop& stop);
  std::string set(Scanner in);
  std::string supported(std::string_view theirs);
  std::string transfer(Scanner in, const Stop& stop);
  std::string monitor(std::string_view hex);
  Answer verbose(Scanner in);
  Answer resume_all(Scanner in) const;
  Answer old_resume(Scanner in, bool step, bool with_signal);
  [[nodiscard]] std::string thread() const;

  Tracee& tracee_;
  const std::vector<MonitorCommand>& monitor_;
  std::function<void(std::string_view)> send_;
  ProgramFile program_;
  bool knows_swbreak_ = false, knows_hwbreak_ = false, knows_exec_ = false;
};

}  // namespace faultline::vmm::gdb
