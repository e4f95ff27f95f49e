// What a vCPU's own TLB holds, where the CPU walks the guest's tables itself (two-dimensional
// paging), and what the entry stub has to flush or load on the way back to user code. The policy is
// mmu's (pgtable/asid_cache.hpp); here it becomes values of CR3 and descriptors of INVPCID.
// docs/adr/0008 says why the guest does it and not the host.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "mmu/pgtable/asid_cache.hpp"
#include "vmm/port/vcpu.hpp"

namespace faultline::vmm::kvm {

// What a vCPU's CPU has for it and KVM lets the guest use.
struct TlbFeatures {
  bool global_pages = false;  // CR4.PGE
  bool pcid = false;          // CR4.PCIDE
  bool invpcid = false;       // only with pcid
  bool operator==(const TlbFeatures&) const = default;
};

// What is stale where, of all address spaces of a machine. Any thread.
class TlbBooks {
 public:
  // For as long as what is returned is there, nobody else is at them.
  class Access {
   public:
    explicit Access(TlbBooks& books) : lock_(books.mutex_), generations_(books.generations_) {}
    mmu::TlbGenerations* operator->() { return &generations_; }

   private:
    std::scoped_lock<std::mutex> lock_;
    mmu::TlbGenerations& generations_;
  };
  [[nodiscard]] Access open() { return Access(*this); }

 private:
  std::mutex mutex_;
  mmu::TlbGenerations generations_;
};

// SDM vol. 2A, "INVPCID", "INVPCID Descriptor".
struct InvpcidDescriptor {
  std::uint64_t pcid;
  std::uint64_t address;
};
static_assert(sizeof(InvpcidDescriptor) == 16);

// Not both; neither: there is nothing to do.
struct TlbOrder {
  std::uint64_t cr3 = 0;                 // to be loaded by the stub, which looks at bit FL_CR3_AFRESH
  std::vector<InvpcidDescriptor> pages;  // to be dropped
};

class GuestTlb {
 public:
  // `books` outlives this. The vCPU has the machine's own tables loaded.
  explicit GuestTlb(TlbBooks& books) : books_(books), cache_(1) {}

  // What the CPU's TLB holds is not known, and what it can do is `features`. As above, of what is loaded.
  void restart(TlbFeatures features);
  [[nodiscard]] const TlbFeatures& features() const { return features_; }

  // User code of `root` can go on as it is.
  [[nodiscard]] bool settled(Gpa root) const;
  // What is to be done before it does. It counts as done.
  TlbOrder order(Gpa root);

  // The tables that are loaded may be gone, or it isn't known which those are: the stubs cannot run
  // on them. The host is to load the machine's own (kKernelHalfFrame) before the vCPU runs, and say so.
  [[nodiscard]] bool lost() const;
  void left();
  // The stub was interrupted: how far it came with the last order is not known.
  void interrupted();

  // What user code loads for a step to `root` (VcpuArea::set_steps): as the host does it, with all that the
  // host's PCID holds dropped.
  [[nodiscard]] static std::uint64_t step_value(Gpa root) { return root.raw(); }
  // It was loaded.
  void stepped(Gpa root);

  // The host asked for tables, which are loaded when user code needs them.
  void asked() { ++statistics_.switches; }
  [[nodiscard]] const AddressSpaceLoads& statistics() const { return statistics_; }

 private:
  [[nodiscard]] std::uint64_t cr3(Gpa root, unsigned slot) const;
  [[nodiscard]] std::uint64_t pcid(unsigned slot) const { return features_.pcid ? slot + 1 : 0; }

  TlbBooks& books_;
  TlbFeatures features_;
  mmu::AsidCache cache_;
  Gpa loaded_;              // the root of what is loaded, by cache_ or by a step
  std::uint64_t step_ = 0;  // the id of what a step loaded; 0: no step was the last load
  bool unsure_ = false;
  AddressSpaceLoads statistics_;
};

}  // namespace faultline::vmm::kvm
