#include "tools/table_tree.hpp"

#include <fmt/format.h>

namespace faultline::tools {

namespace {

std::uint64_t mapped_pages(const mmu::AddressSpace& mm, const mmu::Vma& vma) {
  std::uint64_t pages = 0;
  for (Gva at = vma.start; at < vma.end; at = at + kPageSize) {
    const mmu::PteSlot slot = mm.tables().find(at);
    if (!slot.valid()) {
      // No table: skip to the next 2 MiB.
      const Gva next((at.raw() | (mmu::level_span(2) - 1)) + 1);
      at = next - kPageSize;
      continue;
    }
    if (slot.load().maps_frame(1)) ++pages;
  }
  return pages;
}

std::string describe_rights(const mmu::Rights& r) {
  return fmt::format("{}{}{}", r.user ? "user " : "supervisor ", r.write ? "read-write" : "read-only",
                     r.execute ? " executable" : " no-execute");
}

std::string_view describe_end(mmu::WalkEnd end) {
  switch (end) {
    case mmu::WalkEnd::kMapped: return "mapped";
    case mmu::WalkEnd::kNotPresent: return "not present";
    case mmu::WalkEnd::kReservedBit: return "a reserved bit is set";
    case mmu::WalkEnd::kNonCanonical: return "not canonical";
    case mmu::WalkEnd::kOutsideMemory: return "a table lies outside guest memory";
  }
  return "?";
}

// Prints the tables of one address space; leaves are gathered into runs.
class TreePrinter {
 public:
  explicit TreePrinter(const mmu::AddressSpace& mm) : mm_(mm) {}

  std::string print() {
    out_ = fmt::format("root table at {:#x}, {}\n", Gpa(mm_.tables().root()).raw(), mmu::name(mm_.mode()));
    table(mm_.tables().root(), mmu::levels(mm_.mode()), 0, mmu::kEntriesPerTable / 2);
    return std::move(out_);
  }

 private:
  struct Run {
    Gva start;
    mmu::Pte first;
    mmu::Level level = 0;
    std::uint64_t count = 0;
  };

  void table(Gfn frame, mmu::Level level, std::uint64_t base, unsigned entries) {
    for (unsigned i = 0; i < entries; ++i) {
      const mmu::PteSlot slot(mm_.frames().memory(), frame, i);
      const mmu::Pte entry = slot.load();
      if (entry.none()) continue;
      const Gva va(base + i * mmu::level_span(level));
      if (entry.kind(level) != mmu::PteKind::kTable) {
        leaf(va, entry, level);
        continue;
      }
      flush();
      indent(level);
      out_ += fmt::format("{}[{}] {:#014x} at {:#x}: {}\n", mmu::sdm_entry_name(level), i, va.raw(),
                          slot.address().raw(), entry.describe(level));
      table(entry.frame(level), level - 1, va.raw(), mmu::kEntriesPerTable);
    }
    flush();
  }

  void leaf(Gva va, mmu::Pte entry, mmu::Level level) {
    const std::uint64_t pages = mmu::level_span(level) >> kPageShift;
    const bool zero_page = entry.special();
    if (run_.count != 0 && run_.level == level && va == run_.start + run_.count * mmu::level_span(level) &&
        (entry.raw() & ~mmu::Pte::kAddressMask) == (run_.first.raw() & ~mmu::Pte::kAddressMask) &&
        (zero_page || entry.frame(level) == run_.first.frame(level) + run_.count * pages)) {
      ++run_.count;
      return;
    }
    flush();
    run_ = {va, entry, level, 1};
  }

  void flush() {
    if (run_.count == 0) return;
    indent(run_.level);
    out_ += fmt::format("{} {:#014x} {} page{}: {}{}\n", mmu::sdm_entry_name(run_.level), run_.start.raw(), run_.count,
                        run_.count == 1 ? "" : "s", run_.first.describe(run_.level),
                        run_.count == 1 || run_.first.special() ? "" : " onwards");
    run_.count = 0;
  }

  void indent(mmu::Level level) { out_.append(2 * (mmu::levels(mm_.mode()) - level), ' '); }

  const mmu::AddressSpace& mm_;
  std::string out_;
  Run run_;
};

}  // namespace

std::string describe_vmas(const mmu::AddressSpace& mm) {
  std::string out;
  for (const auto& [start, vma] : mm.vmas) {
    out += fmt::format("{:012x}-{:012x} {} {:08x} {:>8} of {:>8} pages  {}\n", vma.start.raw(), vma.end.raw(),
                       vma.flags.text(), vma.anonymous() ? 0 : vma.pgoff.raw() << kPageShift, mapped_pages(mm, vma),
                       vma.pages(), vma.name);
  }
  return out;
}

std::string describe_tree(const mmu::AddressSpace& mm) { return TreePrinter(mm).print(); }

std::string describe_translation(const mmu::AddressSpace& mm, Gva address) {
  const mmu::Walk w = mm.tables().walk(address);
  std::string out = fmt::format("{:#x}: {}", address.raw(), describe_end(w.end));
  if (w.mapped())
    out += fmt::format(" at guest-physical {:#x}, {}", w.physical().raw(), describe_rights(w.last().rights));
  out += '\n';
  for (unsigned i = 0; i < w.count; ++i) {
    const mmu::WalkStep& s = w.steps[i];
    out += fmt::format("  {:<5} [{:>3}] at {:#010x}: {}\n", mmu::sdm_entry_name(s.level),
                       mmu::table_index(address, s.level), s.slot.raw(), s.entry.describe(s.level));
  }
  const mmu::Vma* vma = mm.vmas.lookup(address);
  if (vma == nullptr) return out + "  no VMA\n";
  return out + fmt::format("  VMA {:#x}-{:#x} {} {}\n", vma->start.raw(), vma->end.raw(), vma->flags.text(),
                           vma->name.empty() ? "anonymous" : vma->name);
}

}  // namespace faultline::tools
