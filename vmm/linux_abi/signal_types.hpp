// Signals as the kernel ABI has them: numbers, sets, actions, siginfo. Layouts are those of
// <asm/signal.h> and <asm-generic/siginfo.h> for x86-64.
#pragma once

#include <csignal>
#include <cstdint>
#include <cstring>
#include <optional>

namespace faultline::vmm::linux_abi {

inline constexpr int kSignals = 64;

// Bit n-1 stands for signal n (kernel sigset_t, 8 bytes).
class SignalSet {
 public:
  constexpr SignalSet() = default;
  constexpr explicit SignalSet(std::uint64_t bits) : bits_(bits) {}
  static constexpr SignalSet of(int signo) { return SignalSet(std::uint64_t{1} << (signo - 1)); }
  [[nodiscard]] constexpr std::uint64_t raw() const { return bits_; }
  [[nodiscard]] constexpr bool has(int signo) const { return (bits_ & of(signo).bits_) != 0; }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  constexpr void add(int signo) { bits_ |= of(signo).bits_; }
  constexpr void remove(int signo) { bits_ &= ~of(signo).bits_; }
  constexpr SignalSet operator|(SignalSet o) const { return SignalSet(bits_ | o.bits_); }
  constexpr SignalSet operator&(SignalSet o) const { return SignalSet(bits_ & o.bits_); }
  constexpr SignalSet operator~() const { return SignalSet(~bits_); }
  constexpr bool operator==(const SignalSet&) const = default;
  // The lowest signal in the set; precondition: not empty.
  [[nodiscard]] constexpr int lowest() const { return __builtin_ctzll(bits_) + 1; }

 private:
  std::uint64_t bits_ = 0;
};

// SIGKILL and SIGSTOP can be neither blocked nor caught.
inline constexpr SignalSet kUnblockable = SignalSet(SignalSet::of(SIGKILL) | SignalSet::of(SIGSTOP));

// struct kernel_sigaction.
struct KernelSigaction {
  std::uint64_t handler = 0;  // SIG_DFL 0, SIG_IGN 1
  std::uint64_t flags = 0;
  std::uint64_t restorer = 0;
  std::uint64_t mask = 0;
};
static_assert(sizeof(KernelSigaction) == 32);

// Of the kernel's own headers, which cannot be included beside the C library's.
inline constexpr std::uint64_t kSaRestorer = 0x04000000;
inline constexpr std::int32_t kSsAutoDisarm = static_cast<std::int32_t>(1U << 31);

// struct sigaltstack.
struct KernelStack {
  std::uint64_t sp = 0;
  std::int32_t flags = 0;  // a new program has none and no flag says so
  std::int32_t pad = 0;
  std::uint64_t size = 0;
};
static_assert(sizeof(KernelStack) == 24);

static_assert(sizeof(siginfo_t) == 128);

// What a signal carries: the siginfo, and for one that the CPU caused what the frame's
// REG_TRAPNO, REG_ERR and REG_CR2 will say (kept for later frames too, as thread_struct does).
struct SignalInfo {
  struct Trap {
    std::uint64_t trapno = 0;
    std::uint64_t error_code = 0;
    std::optional<std::uint64_t> cr2;  // page faults only; others leave it stale
  };

  siginfo_t info{};
  std::optional<Trap> trap;

  [[nodiscard]] int signo() const { return info.si_signo; }
  static SignalInfo fault(int signo, int code, std::uint64_t address, Trap trap);
  static SignalInfo from_user(int signo, int code, int pid, std::uint32_t uid);
};

// What became of a signal.
enum class SignalOutcome : std::uint8_t { kHandler, kKilled, kStopped, kContinued, kIgnored };

}  // namespace faultline::vmm::linux_abi
