#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "tools/commands.hpp"
#include "tools/complain.hpp"
#include "tools/files.hpp"
#include "tools/gdb_session.hpp"
#include "tools/guest.hpp"
#include "tools/live_statistics.hpp"
#include "tools/statistics.hpp"
#include "tools/version.hpp"
#include "vmm/linux_abi/trace.hpp"
#include "vmm/run/exit_status.hpp"

namespace faultline::tools {

namespace {

// What is wrong with the files that are to be written; empty when nothing is.
std::string wrong_outputs(const RunOptions& o) {
  const std::pair<const char*, const std::string*> outputs[] = {
      {"--fault-log", &o.fault_log}, {"--record", &o.record}, {"--stats-json", &o.statistics_json}};
  for (const auto& [name, file] : outputs) {
    for (const auto& [other, second] : outputs) {
      if (file != second && same_file(*file, *second)) return fmt::format("{} and {} are both {}", name, other, *file);
    }
    const std::string& program = o.guest.command.front();  // without a slash: looked up in PATH
    if (program.find('/') != std::string::npos && same_file(*file, program))
      return fmt::format("{}: {} is the program", name, *file);
  }
  const std::string why = o.statistics_json.empty() ? "" : unwritable(o.statistics_json);
  return why.empty() ? "" : "cannot write the statistics to " + why;
}

// Null without --fault-log. A file that cannot be written is a usage error.
tl::expected<std::unique_ptr<vmm::FaultLog>, int> open_log(const RunOptions& options) {
  if (options.fault_log.empty()) return nullptr;
  const bool to_stderr = options.fault_log == "-";
  auto log =
      vmm::FaultLog::open(options.fault_log, {.format = options.fault_format,
                                              .colour = to_stderr ? colour_for(STDERR_FILENO) : vmm::Colour::kNever,
                                              .on_error = [](const Error& error) { complain(error.message); }});
  if (!log) {
    complain(log.error().message);
    return tl::unexpected(vmm::kExitUsage);
  }
  return std::move(*log);
}

std::optional<vmm::RecordOptions> record_options(const RunOptions& options) {
  if (options.record.empty()) return std::nullopt;
  return vmm::RecordOptions{.path = options.record,
                            .faultline_version = kVersion,
                            .linux_behaviour = options.guest.linux_version.text(),
                            .command = options.guest.command,
                            .registers = options.record_registers,
                            .ring_bytes = options.record_limit,
                            .on_error = [](const Error& error) { complain(error.message); }};
}

// False when the file could not be written (said so).
bool write_statistics(const RunOptions& options, vmm::Session& session, std::uint64_t wall_ns) {
  if (options.statistics) std::fputs(statistics_text(session, wall_ns).c_str(), stderr);
  if (options.statistics_json.empty()) return true;
  std::ofstream file(options.statistics_json);
  file << statistics_json(session, wall_ns).dump(2) << '\n';
  file.close();
  if (file) return true;
  complain(fmt::format("cannot write the statistics to {}: {}", options.statistics_json, std::strerror(errno)));
  return false;
}

// What the program asked for and did not get deserves a word, once.
void mention_unserved(const RunOptions& options, vmm::Session& session) {
  const auto& unserved = session.task().statistics().unserved;
  if (options.guest.quiet) return;
  if (!session.task().exit_status() || session.task().exit_status()->shell_status() == 0) return;
  for (const std::string& note : session.processes().notes()) complain("note: " + note);
  if (unserved.empty() || options.statistics) return;
  std::string names;
  for (const auto& [number, count] : unserved) {
    const std::string_view known = vmm::linux_abi::syscall_name(number);
    names += fmt::format("{}{}", names.empty() ? "" : ", ", known.empty() ? fmt::format("#{}", number) : known);
  }
  complain(fmt::format("note: system calls that are not served (ENOSYS): {}", names));
}

}  // namespace

int run_command(const RunOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  if (const std::string wrong = wrong_outputs(options); !wrong.empty()) return complain_with(vmm::kExitUsage, wrong);
  auto log = open_log(options);
  if (!log) return log.error();

  vmm::FaultRecorder::Consumer on_fault;
  if (*log) on_fault = [&log](const vmm::FaultRecord& record) { (*log)->write(record); };
  // A debugger may ask for the last fault.
  if (!options.gdb.empty() && !on_fault) on_fault = [](const vmm::FaultRecord&) {};
  auto session = make_session(options.guest, std::move(on_fault), record_options(options));
  if (!session) return session.error();
  if (options.strace) {
    (*session)->task().add_syscall_hook([](const vmm::linux_abi::Task& task, const vmm::linux_abi::SyscallRecord& r) {
      const std::string who = task.processes().ever_forked() ? fmt::format("[pid {}] ", task.pid()) : "";
      std::fputs((who + vmm::linux_abi::format_syscall(task, r) + "\n").c_str(), stderr);
    });
  }

  std::unique_ptr<vmm::gdb::Server> debugger;
  if (!options.gdb.empty()) {
    auto started = start_debugger(**session, options.gdb);
    if (!started) return started.error();
    debugger = std::move(*started);
  }
  LiveStatistics live(**session, options.statistics_format);
  if (options.statistics_interval.count() != 0)
    (*session)->runner().set_ticker(options.statistics_interval, [&live] { live.print(); });

  GuestOptions guest = options.guest;
  if (options.fault_log == "-") guest.quiet = true;  // the log brings the report there
  int status = run_session(**session, guest, log->get());
  mention_unserved(options, **session);
  const auto wall = std::chrono::steady_clock::now() - start;
  const auto wall_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(wall).count());
  if (!write_statistics(options, **session, wall_ns) && status == 0) status = vmm::kExitHarness;
  if (vmm::RunRecorder* recording = (*session)->recording()) {
    if (const auto closed = recording->close(); !closed) {
      complain(closed.error().message);
      if (status == 0) status = vmm::kExitHarness;
    }
  }
  if (*log) {
    if (const auto closed = (*log)->close(); !closed) {
      complain(closed.error().message);
      if (status == 0) status = vmm::kExitHarness;
    }
  }
  return status;
}

}  // namespace faultline::tools
