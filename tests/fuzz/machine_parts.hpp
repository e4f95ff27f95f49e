// What tests of the machine judge are made of: plain memory, a sink that counts, a processor that does
// what it is told.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <functional>

#include "mmu/space/operations.hpp"
#include "vmm/fuzz/machine/executor.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::vmm::fuzz {

struct CountingSink final : mmu::TlbSink {
  mmu::TlbAction flush(const mmu::TlbBatch&) override {
    ++flushes;
    return mmu::TlbAction::kGuestFlush;
  }
  [[nodiscard]] bool tables_reusable_after_flush() const override { return true; }
  mmu::TlbAction drop_all() override {
    ++drops;
    return mmu::TlbAction::kFullDrop;
  }
  unsigned flushes = 0, drops = 0;
};

// Makes each access by calling `make` until that says something else than kAgain.
struct ScriptedProcessor final : Processor {
  using Make = std::function<AfterFault(std::size_t index, const Operation&, AccessSink&)>;
  Make make = [](std::size_t index, const Operation&, AccessSink& sink) {
    sink.made(index, {});
    return AfterFault::kNext;
  };
  std::size_t most = SIZE_MAX;  // accesses of a run that it makes
  std::uint64_t own_page = 0;   // owns()
  bool can_flip = true;
  unsigned adopted = 0, released = 0, invalidated = 0, flipped_entries = 0;
  std::uint64_t failing_while_adopting = 0;
  mmu::FrameAllocator* frames = nullptr;
  std::vector<Control> flipped;
  std::optional<std::string> stale_translation;

  Result<void> run(mmu::AddressSpace&, std::span<const Operation> accesses, AccessSink& sink) override {
    for (std::size_t i = 0; i < std::min(accesses.size(), most); ++i) {
      AfterFault after = AfterFault::kAgain;
      while (after == AfterFault::kAgain) after = make(i, accesses[i], sink);
      if (after == AfterFault::kStop) break;
    }
    return {};
  }
  Result<void> adopt(mmu::AddressSpace&) override {
    ++adopted;
    if (frames != nullptr) failing_while_adopting = frames->failing_nth();
    return {};
  }
  void release(mmu::AddressSpace&) override { ++released; }
  [[nodiscard]] bool owns(Gva address) const override { return address.page_base().raw() == own_page; }
  bool flip_control(Control control) override {
    if (can_flip) flipped.push_back(control);
    return can_flip;
  }
  void invalidate(mmu::AddressSpace&, Gva) override { ++invalidated; }
  void entry_flipped(mmu::AddressSpace&, const FlippedEntry&) override { ++flipped_entries; }
  [[nodiscard]] std::optional<std::string> stale() override { return stale_translation; }
};

// A world in plain memory.
class MachineTest : public testing::Test {
 protected:
  static constexpr std::size_t kBytes = 16ULL << 20;
  static constexpr std::uint64_t kAt = 0x2000'0000'0000;  // the place 512g

  MachineTest() {
    auto made = World::create({.frames = frames, .sink = sink});
    FL_CHECK(made);
    world = std::move(*made);
    processor.frames = &frames;
  }
  ~MachineTest() override {
    world.reset();
    EXPECT_EQ(frames.used_frames(), 0U);
    ::munmap(memory.data(), memory.size());
  }
  MachineTest(const MachineTest&) = delete;
  MachineTest& operator=(const MachineTest&) = delete;

  void begin() {
    const auto begun = world->begin(processor);
    ASSERT_TRUE(begun) << begun.error().message;
  }
  static Program program(const std::string& lines) {
    auto parsed = parse_text(std::string(kTextHeader) + "\n" + lines, "test");
    FL_CHECK(parsed);
    return *parsed;
  }

  std::span<std::byte> memory{static_cast<std::byte*>(::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                                                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)),
                              kBytes};
  mmu::FrameAllocator frames{mmu::PhysMemory(memory), Gfn(1)};
  CountingSink sink;
  ScriptedProcessor processor;
  std::unique_ptr<World> world;
};

}  // namespace faultline::vmm::fuzz
