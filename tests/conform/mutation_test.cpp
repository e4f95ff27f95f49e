// The mutation score: does the matrix notice every mistake that is planted in mmu's walker?
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>

#include "tests/conform/mutants.hpp"
#include "tests/conform/mutations.hpp"
#include "vmm/conform/matrix.hpp"
#include "vmm/conform/second_opinion.hpp"

namespace faultline::test {
namespace {

using namespace vmm::conform;

constexpr model::Cpu kCpu{46, true, true, false};

struct Judged {
  Case c;
  Expectation expectation;
};

const std::vector<Judged>& cases() {
  static const std::vector<Judged> all = [] {
    std::vector<Judged> judged;
    for (Case& c : plan(make_matrix(kCpu), {.cases = 40'000, .seed = 7}).cases) {
      Expectation e = expect(c, kCpu);
      if (!e.empty() && !c.change) judged.push_back({std::move(c), std::move(e)});
    }
    return judged;
  }();
  return all;
}

// The number of the first case that tells the walker from the model.
std::optional<std::uint64_t> caught_by_matrix(Walker walker) {
  SecondOpinion opinion(kCpu, walker);
  for (const Judged& j : cases()) {
    if (opinion.disagreement(j.c, j.expectation)) return j.c.number;
  }
  return std::nullopt;
}

// Four levels of tables, one page, in memory of its own.
struct SmallMemory {
  alignas(4096) std::array<std::byte, 6 * 4096> bytes{};
  static constexpr Gva kAddress{0x1234'5678'9000};
  explicit SmallMemory(std::uint64_t leaf) {
    for (unsigned level = 4; level >= 1; --level) entry(level) = level == 1 ? leaf : (6 - level) * 4096ULL | 0x07;
  }
  std::uint64_t& entry(unsigned level) {
    const std::uint64_t index = kAddress.raw() >> (3 + 9 * level) & 511;
    return *reinterpret_cast<std::uint64_t*>(bytes.data() + (5 - level) * 4096 + index * 8);
  }
  WalkerQuestion question() {
    WalkerQuestion q;
    q.memory = bytes;
    q.root = Gfn(1);
    q.cpu = kCpu;
    q.address = kAddress;
    return q;
  }
};

// Implicit accesses, which no instruction of the matrix makes: the model's answer against the walker's.
bool wrong_on_implicit_accesses(Walker walker) {
  for (unsigned bits = 0; bits < 64; ++bits) {
    SmallMemory memory(0x5001 | ((bits & 1) != 0 ? 6 : 2));
    WalkerQuestion q = memory.question();
    q.implicit = true;
    q.user = (bits & 2) != 0;
    q.ac = (bits & 4) != 0;
    q.controls.smap = (bits & 8) != 0;
    q.kind = (bits & 16) != 0 ? model::Kind::kWrite : model::Kind::kRead;
    q.controls.wp = (bits & 32) != 0;
    class View final : public model::Memory {
     public:
      explicit View(SmallMemory& m) : memory_(m) {}
      std::optional<std::uint64_t> entry(Gpa slot, unsigned) const override {
        std::uint64_t value = 0;
        std::memcpy(&value, memory_.bytes.data() + slot.raw(), sizeof value);
        return value;
      }
      SmallMemory& memory_;
    } view(memory);
    model::Controls controls = q.controls;
    controls.root = Gpa(0x1000);
    model::Access access{q.address, 8, q.kind, q.user, true, false, q.ac};
    const model::Answer want = model::predict(view, kCpu, controls, access);
    const WalkerAnswer got = walker(q);
    if (got.vector != want.front().vector || got.error != want.front().error) return true;
  }
  return false;
}

// Another processor sets D, or takes the page away, between the reading of the entries and the setting of A.
bool loses_what_hardware_wrote(Walker walker) {
  SmallMemory dirty(0x5007);
  WalkerQuestion q = dirty.question();
  std::function<void()> meanwhile = [&] { std::atomic_ref(dirty.entry(1)).fetch_or(0x40); };
  q.meanwhile = &meanwhile;
  walker(q);
  if ((dirty.entry(1) & 0x60) != 0x60) return true;

  SmallMemory gone(0x5007);
  q = gone.question();
  meanwhile = [&] { std::atomic_ref(gone.entry(1)).store(0); };
  q.meanwhile = &meanwhile;
  return walker(q).vector != model::kPageFault || gone.entry(1) != 0;
}

std::string how_caught(Walker walker) {
  if (const auto number = caught_by_matrix(walker)) return fmt::format("case {}", *number);
  if (wrong_on_implicit_accesses(walker)) return "implicit accesses";
  if (loses_what_hardware_wrote(walker)) return "a race with hardware";
  return "";
}

TEST(Mutation, TheWalkerItselfIsRight) {
  EXPECT_GT(cases().size(), 30'000U);
  EXPECT_EQ(how_caught(&mmu_walker), "");
}

TEST(Mutation, EveryPlantedMistakeIsCaught) {
  unsigned caught = 0;
  const std::size_t all = std::size(kMutations);
  ASSERT_EQ(mutants().size(), all);
  for (std::size_t i = 0; i < all; ++i) {
    const Mutation& m = kMutations[i];
    if (mutants()[i] == nullptr) {
      ADD_FAILURE() << "\"" << m.mistake << "\" could not be planted: " << m.file << " has changed";
      continue;
    }
    const std::string how = how_caught(mutants()[i]);
    fmt::print("{:<64} {}\n", m.mistake, how.empty() ? "NOT CAUGHT" : how);
    EXPECT_NE(how, "") << m.mistake;
    caught += !how.empty();
  }
  fmt::print("mutation score: {} of {}\n", caught, all);
  RecordProperty("mutation_score", fmt::format("{}/{}", caught, all));
}

}  // namespace
}  // namespace faultline::test
