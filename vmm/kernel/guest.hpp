// One kernel program put together: a machine, the reference tables with the program in them, a
// process for its user half, the hooks and their users, and the loop that runs it.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <optional>

#include "mmu/kernel/kernel_half.hpp"
#include "mmu/kernel/kmemcheck.hpp"
#include "mmu/kernel/kmmio.hpp"
#include "mmu/kernel/observers.hpp"
#include "mmu/space/address_space.hpp"
#include "vmm/decode/decoder.hpp"
#include "vmm/kernel/device.hpp"
#include "vmm/kernel/image.hpp"
#include "vmm/kernel/oops.hpp"
#include "vmm/kernel/table_guard.hpp"
#include "vmm/record/symbols.hpp"
#include "vmm/run/limits.hpp"

namespace faultline::vmm::kernel {

struct GuestConfig {
  MachineConfig machine{.memory_bytes = 64ULL << 20};
  // Entries of this level are copied lazily from the reference tables; 0: the root's.
  mmu::Level share_level = 0;
  LinuxBehaviour behaviour;
  std::vector<std::uint64_t> arguments;           // FL_CALL_ARGUMENT
  std::string program;                            // its name, in reports
  std::function<void(std::string_view)> console;  // what the program prints
  std::function<void(std::string_view)> log;      // traces and reports of the host's, whole lines
};

// How it ended.
struct Exited {
  int status = 0;
};
struct Oopsed {
  Oops oops;
};
struct Limited {
  LimitKind kind;
  std::string where;
};
struct Stopped {
  int signal = 0;  // given to stop()
};
struct Died {
  std::string why;  // one line; the program's doing or the backend's
};
using End = std::variant<Exited, Oopsed, Limited, Stopped, Died>;

class Guest {
 public:
  // Loads the program in `file`, whose bytes are not needed afterwards. Errors, one line: of the
  // host, or what is wrong with the program (`bad_program` says which).
  struct Refused {
    std::string message;
    bool bad_program = false;
  };
  static tl::expected<std::unique_ptr<Guest>, Refused> create(GuestConfig config, std::span<const std::byte> file);
  ~Guest();
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  // Runs until it ends; once.
  Result<End> run(const RunLimits& limits);
  // Makes run() return Stopped. Callable from any thread and from a signal handler.
  void stop(int signal);
  [[nodiscard]] bool stopping() const { return stop_signal_.load(std::memory_order_seq_cst) != 0; }

  // For tests: what is counted under FL_COUNT_*.
  [[nodiscard]] std::uint64_t count(unsigned what) const;
  [[nodiscard]] const KernelVcpu& vcpu() const { return *vcpu_; }
  [[nodiscard]] std::string_view backend() const { return machine_->backend(); }

 private:
  using Outcome = Result<std::optional<End>>;  // nothing: it goes on

  Guest(GuestConfig config, std::unique_ptr<kvm::KvmMachine> machine);
  Result<void> set_up(const Image& image);
  Result<void> map_image(const Image& image);
  Result<void> map_page(Gva va, std::uint64_t flags, std::span<const std::byte> bytes = {}, std::uint64_t offset = 0);
  void connect_hooks();

  // guest.cpp: the loop. The program runs in these two only, and the page tables are guarded.
  Result<KernelExit> enter();
  Result<std::optional<KernelExit>> settle();
  void hand_over();
  std::optional<KernelExit> take_back();
  Outcome serve(const KernelExit& exit);
  Outcome serve_mmio(const MmioExit& exit);
  // guest_faults.cpp
  Outcome serve_exception(const ExceptionExit& exit);
  Outcome page_fault(const ExceptionExit& exit);
  Outcome unresolved(const ExceptionExit& exit, const mmu::FaultOutcome& outcome);
  Outcome die(const ExceptionExit& exit, OopsKind kind, const mmu::FaultOutcome* outcome);
  mmu::FaultRequest request(const ExceptionExit& exit) const;
  bool take_fixup(unsigned vector);
  void stop_user(int signal, int code);
  void begin_step();
  bool end_step();
  std::vector<mmu::MemoryAccess> describe(const mmu::FaultRequest& request);
  // guest_calls.cpp
  Outcome serve_call();
  std::int64_t call(std::uint64_t number, const std::array<std::uint64_t, 3>& arguments);
  std::int64_t vmalloc(std::uint64_t pages, std::uint64_t prot);
  std::int64_t print(Gva from, std::uint64_t bytes);
  std::int64_t corrupt(Gva address, mmu::Level level, std::uint64_t bits);
  Outcome enter_user(Gva rip, std::uint64_t rsp);

  // Guest memory as supervisor code sees it: how many bytes could be read.
  std::size_t peek(Gva from, std::span<std::byte> to) const;
  [[nodiscard]] std::uint32_t task_word(unsigned offset) const;
  [[nodiscard]] std::string place() const;
  void log(const std::string& line) const;

  struct Upgrade {
    Gva page;
    std::uint64_t flags = 0;
  };
  class LockOfTheProgram;  // FaultHooks

  GuestConfig config_;
  std::unique_ptr<kvm::KvmMachine> machine_;
  mmu::PageCache cache_;
  std::unique_ptr<mmu::KernelTables> reference_;
  mmu::KernelHooks hooks_;
  std::unique_ptr<mmu::KernelHalf> half_;
  std::unique_ptr<LockOfTheProgram> lock_;
  std::unique_ptr<mmu::AddressSpace> mm_;
  TableGuard guard_;
  std::unique_ptr<mmu::Kmmio> kmmio_;
  std::unique_ptr<mmu::Kmemcheck> kmemcheck_;
  std::unique_ptr<mmu::Probes> probes_;
  std::unique_ptr<mmu::ContextTracking> context_;
  std::unique_ptr<mmu::FaultEvents> events_;
  std::unique_ptr<KernelVcpu> vcpu_;
  mmu::ExceptionTable exceptions_;
  SymbolTable symbols_;
  std::unique_ptr<decode::Decoder> decoder_;
  Device device_;

  Gva task_;  // 0: the program did not say
  Gva vmalloc_next_;
  std::optional<Upgrade> upgrade_;
  std::optional<CpuState> kernel_state_;  // while user code runs
  bool stepping_ = false, trap_flag_ = false;
  std::map<unsigned, std::uint64_t> counts_;  // those that no hook keeps
  ExceptionExit last_fault_;
  std::uint64_t last_rip_ = 0, repeats_ = 0, storm_ = 0;
  std::atomic<int> stop_signal_{0};
};

}  // namespace faultline::vmm::kernel
