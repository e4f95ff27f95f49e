// The line to GDB: a loopback TCP port or a Unix socket on which one client is taken, packets in
// and out, and a thread that kicks the vCPU when the client says something while the guest runs.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "mmu/base/result.hpp"
#include "vmm/gdb/packet.hpp"
#include "vmm/host/handles.hpp"

namespace faultline::vmm::gdb {

// Where to listen: "PORT", "127.0.0.1:PORT", "[::1]:PORT" or a path with a '/'.
class Listener {
 public:
  // Errors: not such a place, or it cannot be listened on.
  static Result<Listener> open(const std::string& place);
  Listener(Listener&& other) noexcept = default;
  Listener& operator=(Listener&& other) noexcept = delete;
  ~Listener();

  // As GDB's "target remote" takes it, the port that was chosen in it.
  [[nodiscard]] const std::string& place() const { return place_; }
  // Waits for a client; looks at `give_up` every so often. Invalid: given up.
  [[nodiscard]] FileDescriptor accept(const std::function<bool()>& give_up) const;

 private:
  Listener(FileDescriptor fd, std::string place, std::string path)
      : fd_(std::move(fd)), place_(std::move(place)), path_(std::move(path)) {}

  FileDescriptor fd_;
  std::string place_;
  std::string path_;  // of the Unix socket, to be removed; empty: none
};

class Connection {
 public:
  // `kick`: gets the vCPU out of the guest; called from a thread of the connection's own.
  Connection(FileDescriptor fd, std::function<void()> kick);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  enum class Heard : std::uint8_t { kPacket, kInterrupt, kNothing, kGone };
  // The next packet or interrupt. Waits for it while `give_up` says no (kNothing: it said yes);
  // with no `give_up` only looks. kGone: the client is, or it does not take what is sent.
  Heard receive(const std::function<bool()>& give_up);
  [[nodiscard]] const std::string& packet() const { return reader_.payload(); }
  // Sends a packet and keeps it, to send it again on request.
  void send(std::string_view payload);
  void stop_acknowledging() { acknowledging_ = false; }

  // The guest runs from here on: what the client says makes heard() true and kicks.
  void watch();
  void stop_watching();
  [[nodiscard]] bool heard() const { return heard_.load(std::memory_order_acquire); }

 private:
  std::optional<Heard> take(char byte);
  void send_raw(std::string_view bytes);
  void watch_loop();

  FileDescriptor fd_;
  std::function<void()> kick_;
  PacketReader reader_;
  std::string buffer_;  // received and not yet read
  std::size_t at_ = 0;  // of buffer_
  std::string last_;    // frame sent last
  bool acknowledging_ = true;
  bool gone_ = false;

  std::atomic<bool> heard_{false};
  FileDescriptor wake_;  // an eventfd that ends the thread's poll
  std::mutex mutex_;
  std::condition_variable changed_;
  bool watching_ = false, polling_ = false, ending_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace faultline::vmm::gdb
