// The GDB server of a run: docs/debugger.md. One client, the guest's first process.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vmm/gdb/connection.hpp"
#include "vmm/gdb/protocol.hpp"
#include "vmm/run/debugger.hpp"

namespace faultline::vmm::gdb {

struct ServerConfig {
  std::string place;  // Listener::open
  std::vector<MonitorCommand> monitor;
  std::function<void(const std::string&)> say;  // a line for the person at the terminal
};

class Server final : public Debugger {
 public:
  // `vcpu` and `processes`, whose first task is there, outlive it. Errors: the place.
  static Result<std::unique_ptr<Server>> create(ServerConfig config, Vcpu& vcpu, linux_abi::ProcessTable& processes);

  void begin(std::function<bool()> let_go) override;
  void look(linux_abi::Task* loaded) override;
  void before_signals(linux_abi::Task& task) override;
  bool before_run(linux_abi::Task& task) override;
  bool after_run(linux_abi::Task& task, const VcpuEvent& event) override;
  void ended(linux_abi::Task& task) override;
  void finish() override;
  [[nodiscard]] std::uint64_t held_ns() const override { return held_ns_; }

  [[nodiscard]] const std::string& place() const { return place_; }

 private:
  Server(ServerConfig config, Vcpu& vcpu, std::unique_ptr<Tracee> tracee, Listener listener);
  [[nodiscard]] bool follows(const linux_abi::Task& task) const { return connection_ != nullptr && tracee_->is(task); }
  void hold(const Stop& stop);
  void hold_until_resumed(const Stop& stop);
  void part(const std::string& why);
  void say_goodbye(const std::string& reply);

  ServerConfig config_;
  Vcpu& vcpu_;
  std::unique_ptr<Tracee> tracee_;
  std::optional<Listener> listener_;
  std::string place_;
  std::unique_ptr<Connection> connection_;  // null: nobody is there, or any more
  std::unique_ptr<Protocol> protocol_;
  std::function<bool()> let_go_;
  std::uint64_t held_ns_ = 0;
};

}  // namespace faultline::vmm::gdb
