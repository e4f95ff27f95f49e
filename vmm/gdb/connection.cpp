#include "vmm/gdb/connection.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

namespace faultline::vmm::gdb {
namespace {

constexpr int kLookMs = 100;             // how often a wait looks whether it should give up
constexpr int kSendPatienceMs = 10'000;  // a client that takes nothing for so long is gone
constexpr auto kKickInterval = std::chrono::milliseconds(10);

Result<Listener> cannot(const std::string& place, const char* what) {
  return fail(fmt::format("--gdb {}: {}: {}", place, what, std::strerror(errno)));
}

struct TcpPlace {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
};

std::optional<TcpPlace> parse_tcp(const std::string& place) {
  TcpPlace tcp;
  std::string_view port = place;
  if (const std::size_t colon = place.rfind(':'); colon != std::string::npos) {
    const std::string_view host = std::string_view(place).substr(0, colon);
    if (host == "[::1]" || host == "::1") {
      tcp.host = "::1";
    } else if (host != "127.0.0.1" && host != "localhost" && !host.empty()) {
      return std::nullopt;
    }
    port.remove_prefix(colon + 1);
  }
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), tcp.port);
  if (error != std::errc() || end != port.data() + port.size() || port.empty()) return std::nullopt;
  return tcp;
}

}  // namespace

Result<Listener> Listener::open(const std::string& place) {
  if (place.find('/') != std::string::npos) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (place.size() >= sizeof address.sun_path) return fail(fmt::format("--gdb {}: the path is too long", place));
    std::memcpy(address.sun_path, place.c_str(), place.size());
    FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return cannot(place, "socket");
    const mode_t mask = ::umask(0177);  // nobody else's
    const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ::umask(mask);
    if (bound != 0) return cannot(place, "bind");
    Listener listener(std::move(fd), place, place);
    if (::listen(listener.fd_.get(), 1) != 0) return cannot(place, "listen");
    return listener;
  }
  const auto tcp = parse_tcp(place);
  if (!tcp)
    return fail(fmt::format("--gdb {}: neither a port of this host (loopback only) nor a path with a '/'", place));
  const bool v6 = tcp->host == "::1";
  sockaddr_storage storage{};
  socklen_t size = v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  if (v6) {
    auto& address = reinterpret_cast<sockaddr_in6&>(storage);
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    address.sin6_port = htons(tcp->port);
  } else {
    auto& address = reinterpret_cast<sockaddr_in&>(storage);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(tcp->port);
  }
  FileDescriptor fd(::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return cannot(place, "socket");
  const int one = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (::bind(fd.get(), address, size) != 0) return cannot(place, "bind");
  if (::listen(fd.get(), 1) != 0) return cannot(place, "listen");
  if (::getsockname(fd.get(), address, &size) != 0) return cannot(place, "getsockname");
  const std::uint16_t port = ntohs(v6 ? reinterpret_cast<const sockaddr_in6&>(storage).sin6_port
                                      : reinterpret_cast<const sockaddr_in&>(storage).sin_port);
  return Listener(std::move(fd), v6 ? fmt::format("[::1]:{}", port) : fmt::format("127.0.0.1:{}", port), {});
}

Listener::~Listener() {
  if (fd_.valid() && !path_.empty()) ::unlink(path_.c_str());
}

FileDescriptor Listener::accept(const std::function<bool()>& give_up) const {
  while (!give_up()) {
    pollfd p{fd_.get(), POLLIN, 0};
    if (::poll(&p, 1, kLookMs) <= 0) continue;
    FileDescriptor client(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client.valid()) continue;
    const int one = 1;
    ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);  // not of a Unix socket: no harm
    return client;
  }
  return {};
}

Connection::Connection(FileDescriptor fd, std::function<void()> kick)
    : fd_(std::move(fd)), kick_(std::move(kick)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  thread_ = std::thread([this] { watch_loop(); });
}

Connection::~Connection() {
  stop_watching();
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::optional<Connection::Heard> Connection::take(char byte) {
  const auto event = reader_.feed(byte);
  if (!event) return std::nullopt;
  switch (*event) {
    case Incoming::kPacket:
      if (acknowledging_) send_raw("+");
      return Heard::kPacket;
    case Incoming::kInterrupt: return Heard::kInterrupt;
    case Incoming::kNack: send_raw(last_); return std::nullopt;
    case Incoming::kDamaged:
      if (acknowledging_) send_raw("-");
      return std::nullopt;
    case Incoming::kAck: return std::nullopt;
  }
  return std::nullopt;
}

Connection::Heard Connection::receive(const std::function<bool()>& give_up) {
  std::array<char, 4096> chunk;
  for (;;) {
    while (at_ < buffer_.size())
      if (const auto heard = take(buffer_[at_++])) return *heard;
    buffer_.clear();
    at_ = 0;
    if (gone_) return Heard::kGone;
    const ssize_t n = ::recv(fd_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (n > 0) {
      buffer_.assign(chunk.data(), static_cast<std::size_t>(n));
      if (give_up && !give_up()) continue;
      // A client that never ends a packet must not keep us here.
      while (at_ < buffer_.size())
        if (const auto heard = take(buffer_[at_++])) return *heard;
      return Heard::kNothing;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
      gone_ = true;
      continue;
    }
    if (!give_up || give_up()) return Heard::kNothing;
    pollfd p{fd_.get(), POLLIN, 0};
    ::poll(&p, 1, kLookMs);
  }
}

void Connection::send(std::string_view payload) {
  last_ = frame(payload);
  send_raw(last_);
}

void Connection::send_raw(std::string_view bytes) {
  while (!bytes.empty() && !gone_) {
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (n < 0 && errno == EAGAIN) {
      pollfd p{fd_.get(), POLLOUT, 0};
      if (::poll(&p, 1, kSendPatienceMs) == 0) gone_ = true;
    } else if (n >= 0 || errno != EINTR) {
      gone_ = true;
    }
  }
}

void Connection::watch() {
  heard_.store(at_ < buffer_.size(), std::memory_order_release);
  {
    const std::lock_guard lock(mutex_);
    watching_ = true;
  }
  changed_.notify_all();
}

void Connection::stop_watching() {
  std::unique_lock lock(mutex_);
  watching_ = false;
  const std::uint64_t one = 1;
  if (polling_) static_cast<void>(!::write(wake_.get(), &one, sizeof one));
  changed_.notify_all();
  changed_.wait(lock, [this] { return !polling_; });
  std::uint64_t drained = 0;
  static_cast<void>(!::read(wake_.get(), &drained, sizeof drained));
}

void Connection::watch_loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return watching_ || ending_; });
    if (ending_) return;
    polling_ = true;
    lock.unlock();
    std::array<pollfd, 2> fds{{{fd_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    const bool said = ::poll(fds.data(), fds.size(), -1) > 0 && fds[0].revents != 0;
    lock.lock();
    polling_ = false;
    changed_.notify_all();
    if (!said || !watching_) continue;
    heard_.store(true, std::memory_order_release);
    // Until it is noticed: a host call that was about to block must not swallow the only kick.
    while (watching_ && !ending_) {
      kick_();
      changed_.wait_for(lock, kKickInterval);
    }
  }
}

}  // namespace faultline::vmm::gdb
