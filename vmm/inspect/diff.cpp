#include "vmm/inspect/diff.hpp"

#include <algorithm>
#include <deque>

#include "vmm/inspect/facts.hpp"

namespace faultline::vmm::inspect {

namespace {

enum Side : unsigned { kA, kB };

// One process in both recordings. Events of the one that is ahead wait for the other.
struct Stream {
  struct Item {
    std::uint64_t hash = 0, number = 0;
  };
  std::deque<Item> waiting;
  Side ahead = kA;
  std::uint64_t common = 0;
  std::array<std::uint64_t, 2> last{};   // the last events that were the same; 0: none
  std::array<std::uint64_t, 2> apart{};  // the first that differ; 0: that side has no more
  bool differs = false;
};

class Comparison {
 public:
  Comparison(recording::Reader& a, recording::Reader& b) : readers_{&a, &b} {}

  Diff run() {
    for (recording::Reader* reader : readers_) {
      reader->decode_instructions(false);
      reader->seek(0);
    }
    while (step(kA) | step(kB)) {
    }
    Diff diff;
    diff.info_a = readers_[kA]->info();
    diff.info_b = readers_[kB]->info();
    diff.problem_a = readers_[kA]->problem();
    diff.problem_b = readers_[kB]->problem();
    finish(diff);
    diff.a = summarizers_[kA].finish();
    diff.b = summarizers_[kB].finish();
    return diff;
  }

 private:
  // Takes one event of a side. False: there is no more.
  bool step(Side side) {
    const auto event = readers_[side]->next();
    if (!event) return false;
    summarizers_[side].add(*event);
    if (const auto fact = facts_[side].of(*event); fact && !gave_up_) take(side, *fact, event->number);
    return true;
  }

  void take(Side side, const Facts::Fact& fact, std::uint64_t number) {
    Stream& stream = streams_[fact.process];
    if (stream.differs) return;
    if (stream.waiting.empty() || stream.ahead == side) {
      stream.ahead = side;
      stream.waiting.push_back({fact.hash, number});
      gave_up_ = ++pending_ > Diff::kMaxPending;
      return;
    }
    const Stream::Item other = stream.waiting.front();
    if (other.hash != fact.hash) return part(stream, side, number);
    stream.waiting.pop_front();
    --pending_;
    ++stream.common;
    stream.last[side] = number;
    stream.last[1 - side] = other.number;
  }

  // `number`: of `side`, 0 when that has no more.
  void part(Stream& stream, Side side, std::uint64_t number) {
    stream.differs = true;
    stream.apart[side] = number;
    stream.apart[1 - side] = stream.waiting.front().number;
    pending_ -= stream.waiting.size();
    stream.waiting.clear();
  }

  std::optional<recording::Event> event(Side side, std::uint64_t number) {
    if (number == 0) return std::nullopt;
    readers_[side]->seek(number);
    return readers_[side]->next();
  }

  void finish(Diff& diff) {
    diff.gave_up = gave_up_;
    std::vector<std::pair<const std::string*, Stream*>> apart;
    for (auto& [process, stream] : streams_) {
      diff.compared += stream.common;
      // What a recording that ends early does not have is no difference.
      const bool cut = !readers_[1 - stream.ahead]->problem().empty();
      if (!stream.waiting.empty() && !cut && !gave_up_) part(stream, static_cast<Side>(1 - stream.ahead), 0);
      if (stream.differs) apart.emplace_back(&process, &stream);
    }
    const auto first = [](const auto& p) { return std::max(p.second->apart[kA], p.second->last[kA]); };
    std::ranges::sort(apart, {}, first);
    diff.differing = apart.size();
    if (apart.size() > Diff::kMaxDivergences) apart.resize(Diff::kMaxDivergences);
    for (recording::Reader* reader : readers_) reader->decode_instructions(true);
    for (const auto& [process, stream] : apart)
      diff.divergences.push_back({*process, stream->common, event(kA, stream->apart[kA]), event(kB, stream->apart[kB]),
                                  event(kA, stream->last[kA]), event(kB, stream->last[kB])});
  }

  std::array<recording::Reader*, 2> readers_;
  std::array<Facts, 2> facts_;
  std::array<Summarizer, 2> summarizers_;
  std::map<std::string, Stream> streams_;  // by process
  std::size_t pending_ = 0;
  bool gave_up_ = false;
};

}  // namespace

Diff compare(recording::Reader& a, recording::Reader& b) { return Comparison(a, b).run(); }

}  // namespace faultline::vmm::inspect
