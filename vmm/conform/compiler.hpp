// Turns cases into supervisor code: control registers, entries, INVLPG, the access, and the
// reading back of what it left. The guest stores the entries itself: under shadow paging KVM is
// told of nobody else's. There is no loop and no decoding in the guest, because each supervisor
// instruction costs 0.4 us where KVM emulates it.
#pragma once

#include <optional>

#include "vmm/conform/case.hpp"
#include "vmm/conform/emitter.hpp"

namespace faultline::vmm::conform {

// Where the instruction under test lies: its own address and that of the one behind it.
struct Placed {
  Gva instruction, next;
};

// Control registers and MSRs as a case wants them.
struct ControlValues {
  std::uint64_t cr0 = 0, cr4 = 0, efer = 0;
  std::uint32_t pkru = 0, pkrs = 0;
  bool operator==(const ControlValues&) const = default;
};
ControlValues control_values(const Case& c);

inline constexpr std::uint64_t kUserFlags = 0x202, kSupervisorFlags = 0x2, kAcFlag = 1U << 18;
// What the record's vector says when supervisor code went on behind the instruction.
inline constexpr std::uint64_t kWentOn = 0x80;

class Compiler {
 public:
  // Upper bound of the code of one case, and of the end of a batch.
  static constexpr std::size_t kMostBytes = 1024;

  // `area`: guest memory at kCode. All cases of one compiler have the same paging mode.
  Compiler(std::span<std::byte> area, model::Paging paging);

  [[nodiscard]] bool full() const { return emit_.left() < 2 * kMostBytes; }
  // Appends the case whose results go to record `index`.
  Placed add(const Case& c, unsigned index);
  // The jump to the end of the batch.
  void finish();

 private:
  void controls(const Case& c);
  void store_entry(Gpa slot, std::uint64_t value);
  void load_sound_pdptes(const Case& c);
  void place_descriptor(const Case& c);
  void drop_descriptor(const Case& c);
  void entries(const Case& c);
  void flush(const Case& c, Flush how);
  void change(const Case& c);
  void load_pcid(unsigned pcid, bool keep);
  void invpcid(const Case& c, Flush how);
  Placed access(const Case& c, unsigned form, bool user);
  void registers(const Case& c, const Form& form, bool user);
  void enter_user(const Case& c, unsigned form);
  void read_back(const Case& c, Gva record);

  Emitter emit_;
  model::Paging paging_;
  std::optional<ControlValues> current_;
};

// The OUT that ends a batch, and the jump to the beginning of the next one. It has a place of its
// own: the vCPU stands here while the host replaces the generated code.
void write_end_of_batch(std::span<std::byte> at, model::Paging paging);
// Where 32-bit code starts: LTR first. The processor's own copy of a busy TSS descriptor, as KVM_SET_SREGS loads it,
// is one that QEMU's TCG aborts at when it changes stacks.
void write_start(std::span<std::byte> at, model::Paging paging);
// User code of every form, 16 bytes each, and what it reads of its own.
void write_user_pages(std::span<std::byte> code, std::span<std::byte> data);

}  // namespace faultline::vmm::conform
