// The machine port: guest memory, its coherence sink and its vCPUs. A backend makes one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "mmu/arch/paging_mode.hpp"
#include "mmu/phys/frame_allocator.hpp"
#include "mmu/ports/tlb_sink.hpp"
#include "mmu/ports/user_half.hpp"
#include "vmm/port/host_statistics.hpp"
#include "vmm/port/vcpu.hpp"

namespace faultline::vmm {

struct MachineConfig {
  std::uint64_t memory_bytes = 1ULL << 30;  // a whole number of pages, at most 64 GiB
  mmu::PagingMode mode = mmu::PagingMode::kFourLevel;
  std::string sink = "auto";     // "auto", "two-dimensional", "shadow"
  std::string backend = "auto";  // "auto", "kvm", "hosted": vmm/run/backend.hpp
};

class Machine {
 public:
  virtual ~Machine() = default;
  // Frames of guest RAM; those that the machine itself needs are reserved already.
  [[nodiscard]] virtual mmu::FrameAllocator& frames() = 0;
  [[nodiscard]] virtual mmu::TlbSink& sink() = 0;
  // The root-level table that holds the supervisor half (MmuEnv::kernel_half); Gfn(0): none.
  [[nodiscard]] virtual Gfn kernel_half() const = 0;
  // What keeps the machine's own out of the guest's way in the user half; null: it has nothing there.
  [[nodiscard]] virtual mmu::UserHalf* user_half() { return nullptr; }
  [[nodiscard]] virtual mmu::PagingMode mode() const = 0;
  virtual Result<std::unique_ptr<Vcpu>> create_vcpu() = 0;
  // From now on, or no more, the host notes which frames the guest's CPUs write to. Error: this backend can't.
  virtual Result<void> log_dirty(bool) { return fail("not available: nothing but KVM keeps a log of dirty pages"); }
  // Appends the frames noted since the last call. Precondition: log_dirty(true). What the host writes is not among
  // them.
  virtual Result<void> take_dirty(std::vector<Gfn>&) { return log_dirty(true); }
  // What the host counts of the machine as a whole. Error: the backend has nothing of the kind.
  [[nodiscard]] virtual Result<std::vector<HostStatistic>> host_statistics() const {
    return fail("not available: nothing but KVM keeps them");
  }
  // "kvm-pvm": what every record and report is labelled with.
  [[nodiscard]] virtual std::string_view backend() const = 0;
};

}  // namespace faultline::vmm
