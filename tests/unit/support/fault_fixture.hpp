// An address space over test memory, faults made by hand, and what an observer is told of them.
#pragma once

#include "mmu/fault/fault.hpp"
#include "tests/unit/support/guest_memory.hpp"

namespace faultline::mmu {

inline constexpr std::uint32_t kRwFlags = VmFlags::kRead | VmFlags::kWrite | VmFlags::kMayRead | VmFlags::kMayWrite;
inline constexpr std::uint32_t kRoFlags = VmFlags::kRead | VmFlags::kMayRead | VmFlags::kMayWrite;
inline constexpr Gva kBase(0x4000'0000);

// Keeps what an observer is told.
struct Observer final : FaultObserver {
  EditLog* began(const AddressSpace&, const FaultRequest&) override {
    log.clear();
    return &log;
  }
  void decided() override { ++decisions; }
  void ended(const AddressSpace&, const FaultRequest&, const FaultOutcome& o) override { outcomes.push_back(o); }
  EditLog log;
  int decisions = 0;
  std::vector<FaultOutcome> outcomes;
};

class FaultTest : public testing::TestWithParam<PagingMode> {
 protected:
  test::GuestMemory g{32ULL << 20, GetParam()};
  std::unique_ptr<AddressSpace> mm = AddressSpace::create(g.env);
  Observer observer;

  void SetUp() override { mm->observer = &observer; }
  void TearDown() override {
    mm->observer = nullptr;
    mm.reset();
    EXPECT_EQ(g.frames.check_invariants(), std::nullopt);
    for (const auto& [id, mapping] : g.cache.mappings())
      for (const auto& [page, frame] : mapping->pages()) EXPECT_EQ(g.frames.at(frame).refcount, 1);
  }

  Vma& add(Gva start, std::uint64_t pages, std::uint32_t flags, std::shared_ptr<FileMapping> file = nullptr,
           Pgoff pgoff = Pgoff(0)) {
    const Pgoff offset = file ? pgoff : Pgoff(start.page().raw());
    return mm->vmas.insert({.start = start,
                            .end = start + pages * kPageSize,
                            .flags = VmFlags(flags),
                            .pgoff = offset,
                            .file = std::move(file),
                            .name = {}});
  }
  std::shared_ptr<FileMapping> file(FileKind kind, std::uint64_t bytes, test::TestFile** raw = nullptr) {
    std::string content(bytes, '\0');
    for (std::uint64_t i = 0; i < bytes; ++i) content[i] = static_cast<char>('a' + i / kPageSize % 26);
    auto f = std::make_unique<test::TestFile>(FileId{1, 7}, kind, std::move(content));
    if (raw != nullptr) *raw = f.get();
    return g.cache.open(std::move(f));
  }
  FaultOutcome fault(Gva at, std::uint32_t error) {
    return handle_page_fault(*mm, {.address = at, .error = ErrorCode(error), .ip = Gva(0x401000)});
  }
  Pte entry(Gva at) {
    const PteSlot slot = mm->tables().find(at);
    return slot.valid() ? slot.load() : Pte();
  }
  char byte_at(Gva at) { return static_cast<char>(g.frames.memory().at(mm->tables().walk(at).physical())[0]); }
};

}  // namespace faultline::mmu
