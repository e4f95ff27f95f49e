#include "vmm/gdb/server.hpp"

#include <fmt/format.h>

#include "vmm/host/clock.hpp"

namespace faultline::vmm::gdb {

Result<std::unique_ptr<Server>> Server::create(ServerConfig config, Vcpu& vcpu, linux_abi::ProcessTable& processes) {
  auto listener = Listener::open(config.place);
  if (!listener) return tl::unexpected(listener.error());
  auto tracee = Tracee::create(vcpu, processes);
  if (!tracee) return tl::unexpected(tracee.error());
  return std::unique_ptr<Server>(new Server(std::move(config), vcpu, std::move(*tracee), std::move(*listener)));
}

Server::Server(ServerConfig config, Vcpu& vcpu, std::unique_ptr<Tracee> tracee, Listener listener)
    : config_(std::move(config)), vcpu_(vcpu), tracee_(std::move(tracee)), place_(listener.place()) {
  listener_.emplace(std::move(listener));
}

void Server::begin(std::function<bool()> let_go) {
  let_go_ = std::move(let_go);
  const std::uint64_t began = monotonic_ns();
  config_.say(fmt::format("waiting for gdb: target remote {}", place_));
  FileDescriptor client = listener_->accept(let_go_);
  listener_.reset();
  held_ns_ += monotonic_ns() - began;
  if (!client.valid()) return;
  connection_ = std::make_unique<Connection>(std::move(client), [this] { vcpu_.kick(); });
  protocol_ = std::make_unique<Protocol>(*tracee_, config_.monitor,
                                         [this](std::string_view packet) { connection_->send(packet); });
  hold_until_resumed({});  // the client asks by itself why it stands
}

void Server::hold(const Stop& stop) {
  connection_->stop_watching();
  connection_->send(protocol_->stop_reply(stop));
  hold_until_resumed(stop);
}

void Server::hold_until_resumed(const Stop& stop) {
  const std::uint64_t began = monotonic_ns();
  std::optional<Resume> resume;
  while (connection_ != nullptr && !resume) {
    switch (connection_->receive(let_go_)) {
      case Connection::Heard::kInterrupt: break;  // it stands still already
      case Connection::Heard::kNothing: part("gdb has to let go"); break;
      case Connection::Heard::kGone: part("gdb is gone"); break;
      case Connection::Heard::kPacket: {
        const Protocol::Answer answer = protocol_->handle(connection_->packet(), stop);
        if (answer.reply) connection_->send(*answer.reply);
        if (answer.no_acknowledgements) connection_->stop_acknowledging();
        resume = answer.resume;
        break;
      }
    }
  }
  held_ns_ += monotonic_ns() - began;
  if (!resume) return;
  switch (resume->how) {
    case Resume::How::kRun:
      tracee_->go_on(stop, *resume);
      connection_->watch();
      break;
    case Resume::How::kDetach: part({}); break;
    case Resume::How::kKill:
      tracee_->task().queue_signal(linux_abi::SignalInfo::from_user(SIGKILL, SI_USER, 0, 0));
      part({});
      break;
  }
}

// The guest runs on without a debugger. `why`: what to tell the person who started it; empty: the client
// wanted it so.
void Server::part(const std::string& why) {
  tracee_->disarm();
  tracee_->let_go();
  connection_.reset();
  if (!why.empty()) config_.say(why + ", and the program goes on without");
}

void Server::look(linux_abi::Task* loaded) {
  if (connection_ == nullptr || !connection_->heard()) return;
  connection_->stop_watching();
  switch (connection_->receive({})) {
    case Connection::Heard::kInterrupt:
      tracee_->set_loaded(loaded != nullptr && tracee_->is(*loaded));
      hold({.why = Stop::Why::kInterrupted});
      tracee_->set_loaded(true);
      return;
    case Connection::Heard::kGone: return part("gdb is gone");
    case Connection::Heard::kPacket:  // no client that keeps to the protocol asks now
    case Connection::Heard::kNothing: return connection_->watch();
  }
}

void Server::before_signals(linux_abi::Task& task) {
  while (follows(task)) {
    const auto stop = tracee_->before_signals();
    if (!stop) return;
    hold(*stop);
  }
}

bool Server::before_run(linux_abi::Task& task) {
  if (!follows(task)) return true;
  if (const auto stop = tracee_->before_run()) {
    hold(*stop);
    return false;
  }
  tracee_->arm();
  return true;
}

bool Server::after_run(linux_abi::Task& task, const VcpuEvent& event) {
  if (!follows(task)) return false;
  const Tracee::Ran ran = tracee_->after_run(event);
  if (ran.stop) hold(*ran.stop);
  return ran.own;
}

void Server::ended(linux_abi::Task& task) {
  if (follows(task)) say_goodbye(Protocol::end_reply(*task.exit_status()));
}

void Server::finish() {
  tracee_->disarm();
  if (connection_ != nullptr) say_goodbye(Protocol::end_reply({.code = 0, .signal = SIGKILL}));
}

// The client closes when it has read this; closing first could take it away.
void Server::say_goodbye(const std::string& reply) {
  constexpr std::uint64_t kPatienceNs = 1'000'000'000;
  connection_->stop_watching();
  connection_->send(reply);
  const std::uint64_t end = monotonic_ns() + kPatienceNs;
  Connection::Heard heard{};
  do {
    heard = connection_->receive([end] { return monotonic_ns() >= end; });
  } while ((heard == Connection::Heard::kPacket || heard == Connection::Heard::kInterrupt) && monotonic_ns() < end);
  part({});
}

}  // namespace faultline::vmm::gdb
