#include "vmm/conform/third_opinion.hpp"

#include <fmt/format.h>

#include <cstring>
#include <random>

#include "tests/model/predict.hpp"
#include "vmm/conform/compiler.hpp"

namespace faultline::vmm::conform {
namespace {

constexpr std::uint64_t kP = 1, kPs = 1U << 7;

// Guest memory as the model reads it.
class View final : public model::Memory {
 public:
  explicit View(const Machine& machine) : machine_(machine) {}
  [[nodiscard]] std::optional<std::uint64_t> entry(Gpa slot, unsigned bytes) const override {
    if (slot.raw() + bytes > kLowBytes) return std::nullopt;
    std::uint64_t value = 0;
    std::memcpy(&value, machine_.memory(slot, bytes).data(), bytes);
    return value;
  }

 private:
  const Machine& machine_;
};

// Entries of 2-level paging: a PDE that is a table or a page of 4 MiB, and a PTE.
Translation two_level(std::mt19937_64& random) {
  Translation t;
  t.controls.paging = model::Paging::kTwoLevel;
  t.controls.nxe = false;
  t.controls.pse = random() % 4 != 0;
  t.address = Gva(random() & 0xffff'ffff);
  t.label = "32-bit";
  const bool large = random() % 2 != 0;
  std::uint64_t pde = table_a(1).raw() | (random() & 0x67) | (random() % 8 != 0 ? kP : 0);
  if (large) pde = (random() & 0xffc0'0067) | kPs | kP | (random() % 2 != 0 ? random() & 0x3f'e000 : 0);
  if (large && t.controls.pse && (pde & 0x1e'0000) != 0) t.label = "32-bit, PDE bits 20:17";
  t.stores.push_back({kRoot + (t.address.raw() >> 22) * 4, pde, 4});
  const std::uint64_t pte = (random() & 0xffff'f1ff) | (random() % 4 != 0 ? kP : 0);
  t.stores.push_back({table_a(1) + (t.address.raw() >> 12 & 1023) * 4, pte, 4});
  return t;
}

Translation pae(std::mt19937_64& random, const model::Cpu& cpu) {
  Translation t;
  t.controls.paging = model::Paging::kPae;
  t.controls.nxe = random() % 2 != 0;
  t.address = Gva(random() & 0xffff'ffff);
  t.label = "PAE";
  const std::uint64_t address_bits = (std::uint64_t{1} << cpu.physical_bits) - 1;
  // One of the upper bits now and then: reserved, or NX.
  const auto upper = [&random] { return random() % 8 == 0 ? 1ULL << (40 + random() % 24) : 0; };
  for (unsigned i = 0; i < 4; ++i)
    t.stores.push_back({kRoot + i * 8, table_a(2).raw() | (random() % 8 != 0 ? kP : 0), 8});
  const bool large = random() % 2 != 0;
  std::uint64_t pde = table_a(1).raw() | (random() & 0x67) | (random() % 8 != 0 ? kP : 0) | upper();
  if (large) pde = (random() & address_bits & ~0x1f'ffffULL) | kPs | kP | upper() | (random() % 4 == 0 ? 1U << 13 : 0);
  if (!large) pde &= ~(address_bits & ~0xff'ffffULL);
  t.stores.push_back({table_a(2) + (t.address.raw() >> 21 & 511) * 8, pde, 8});
  const std::uint64_t pte = (random() & address_bits & ~0xe00ULL) | (random() % 4 != 0 ? kP : 0) | upper();
  t.stores.push_back({table_a(1) + (t.address.raw() >> 12 & 511) * 8, pte, 8});
  return t;
}

}  // namespace

Translation translation_of(const Case& c) {
  Translation t;
  t.controls = c.controls;
  t.controls.smap = false;  // whether an access of no instruction has AC is nobody's rule
  t.controls.pke = t.controls.pks = false;
  t.address = c.address();
  t.label = model::name(c.controls.paging);
  for (unsigned level = c.leaf_a; level <= c.root_level(); ++level)
    t.stores.push_back({c.slot_a(level), c.a[level], 8});
  return t;
}

std::vector<Translation> legacy_translations(const model::Cpu& cpu, std::uint64_t seed, unsigned count) {
  std::mt19937_64 random(seed);
  std::vector<Translation> all;
  for (unsigned i = 0; i < count; ++i) all.push_back(i < count / 2 ? two_level(random) : pae(random, cpu));
  return all;
}

Translation plain_translation(model::Paging paging) {
  Translation t;
  t.controls.paging = paging;
  t.controls.nxe = false;
  t.address = Gva(0x123);
  t.label = model::name(paging);
  const unsigned bytes = model::entry_bytes(paging);
  constexpr std::uint64_t kOpen = 0x67;
  if (paging == model::Paging::kPae) t.stores.push_back({kRoot, table_a(2).raw() | kP, bytes});
  const Gpa directory = paging == model::Paging::kPae ? table_a(2) : kRoot;
  t.stores.push_back({directory, table_a(1).raw() | kOpen, bytes});
  t.stores.push_back({table_a(1), kScratch.raw() | kOpen, bytes});
  return t;
}

Result<void> ThirdOpinion::enter(const model::Controls& controls) {
  auto sregs = machine_.vcpu().sregs();
  if (!sregs) return tl::unexpected(sregs.error());
  Case c;
  c.controls = controls;
  const ControlValues values = control_values(c);
  const bool long_mode = model::long_mode(controls.paging);
  sregs->cr0 = values.cr0;
  sregs->cr3 = kRoot.raw();
  sregs->cr4 = values.cr4;
  sregs->efer = values.efer;
  sregs->cs.l = long_mode ? 1 : 0;
  sregs->cs.db = long_mode ? 0 : 1;
  if (!long_mode) sregs->efer &= ~0x500ULL;
  if (controls.paging == model::Paging::kTwoLevel) sregs->cr4 &= ~0x20ULL;
  return machine_.vcpu().set_sregs(*sregs);
}

Result<std::optional<std::string>> ThirdOpinion::disagreement(const Translation& t) {
  for (const Translation::Store& s : t.stores) std::memcpy(machine_.memory(s.at, s.bytes).data(), &s.value, s.bytes);
  if (auto entered = enter(t.controls); !entered) return tl::unexpected(entered.error());
  kvm_translation answer{};
  answer.linear_address = t.address.raw();
  if (auto asked = FL_KVM_IOCTL(machine_.vcpu().get(), KVM_TRANSLATE, &answer); !asked)
    return tl::unexpected(asked.error());

  const View view(machine_);
  model::Controls controls = t.controls;
  controls.root = kRoot;
  if (controls.paging == model::Paging::kPae)
    controls.pdpte_registers = model::load_pdptes(view, cpu_, kRoot).value_or(controls.pdpte_registers);
  const model::Access access{.address = t.address, .bytes = 1};
  const model::Answer expected = model::predict(view, cpu_, controls, access);
  if (expected.empty() || expected.front().vector == model::kGeneralProtection) return std::nullopt;
  const bool mapped = expected.front().vector == model::kNoFault, says = answer.valid != 0;
  if (mapped != says) return fmt::format("{}: KVM_TRANSLATE says {}mapped", t.label, says ? "" : "not ");
  const std::uint64_t want = mapped ? expected.front().pages.front().physical.raw() | t.address.page_offset() : 0;
  if (mapped && answer.physical_address != want) return fmt::format("{}: KVM_TRANSLATE leads elsewhere", t.label);
  return std::nullopt;
}

}  // namespace faultline::vmm::conform
