#include "vmm/fuzz/shrink.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "vmm/fuzz/binary.hpp"
#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/shrink_operand.hpp"

namespace faultline::vmm::fuzz {

namespace {

constexpr std::size_t kPairsUpTo = 14;  // operations: of fewer, every two are left out together

class Shrinker {
 public:
  Shrinker(Program program, const std::function<bool(const Program&)>& still_fails, ShrinkLimits limits)
      : best_(std::move(program)), still_fails_(still_fails), limits_(limits) {}

  Program run() {
    bool changed = true;
    while (changed && !spent()) {
      changed = fewer_operations();
      changed |= together();
      changed |= one_by_one();
    }
    return std::move(best_);
  }

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] bool spent() const {
    return evaluations_ >= limits_.evaluations || Clock::now() - start_ >= limits_.time;
  }

  // Whether `candidate` shows it as well; if so it is the best one from here on.
  bool take(Program candidate) {
    if (spent() || illegal(candidate)) return false;
    const std::vector<std::byte> bytes = to_binary(candidate);
    if (!tried_.emplace(reinterpret_cast<const char*>(bytes.data()), bytes.size()).second) return false;
    ++evaluations_;
    if (!still_fails_(candidate)) return false;
    best_ = std::move(candidate);
    return true;
  }

  bool take_without(std::size_t from, std::size_t count) {
    Program p = best_;
    const auto first = p.operations.begin() + static_cast<std::ptrdiff_t>(from);
    p.operations.erase(first, first + static_cast<std::ptrdiff_t>(count));
    return take(std::move(p));
  }

  // From the end, as what follows the difference goes first and at once.
  bool fewer_operations() {
    bool changed = false;
    for (std::size_t chunk = std::max<std::size_t>(best_.operations.size() / 2, 1); chunk > 0; chunk /= 2) {
      for (std::size_t end = best_.operations.size(); end > 0 && !spent();) {
        const std::size_t from = end > chunk ? end - chunk : 0;
        changed |= take_without(from, end - from);
        end = from;
      }
    }
    return fewer_by_pairs() || changed;
  }

  // What only makes sense together: a fork and an exit, two flips of one bit.
  bool fewer_by_pairs() {
    bool changed = false;
    for (bool again = true; again && best_.operations.size() <= kPairsUpTo;) {
      again = false;
      for (std::size_t i = 0; i < best_.operations.size() && !again; ++i) {
        for (std::size_t j = i + 1; j < best_.operations.size() && !again; ++j) {
          Program p = best_;
          p.operations.erase(p.operations.begin() + static_cast<std::ptrdiff_t>(j));
          p.operations.erase(p.operations.begin() + static_cast<std::ptrdiff_t>(i));
          again = take(std::move(p));
        }
      }
      changed |= again;
    }
    return changed;
  }

  // Replaces every operand of `kind` for which `replacement` has something.
  template <class Replacement>
  bool take_replaced(OperandKind kind, Replacement replacement) {
    Program p = best_;
    for (Operation& o : p.operations) {
      for (std::size_t i = 0; i < row(o.op).operand_count(); ++i) {
        if (row(o.op).operands[i] != kind) continue;
        if (const std::optional<std::int64_t> v = replacement(o.operands[i])) o.operands[i] = *v;
      }
    }
    return p != best_ && take(std::move(p));
  }

  [[nodiscard]] std::set<std::pair<OperandKind, std::int64_t>> values() const {
    std::set<std::pair<OperandKind, std::int64_t>> all;
    for (const Operation& o : best_.operations) {
      for (std::size_t i = 0; i < row(o.op).operand_count(); ++i) all.emplace(row(o.op).operands[i], o.operands[i]);
    }
    return all;
  }

  // Operands that mean the same thing in several operations change in all of them at once.
  bool together() {
    bool changed = places() | pages() | ranges();
    for (const auto& [kind, value] : values()) {
      for (const std::int64_t v : simpler(kind, value)) {
        const auto same = [value = value, v](std::int64_t x) { return x == value ? std::optional(v) : std::nullopt; };
        if (take_replaced(kind, same)) {
          changed = true;
          break;
        }
      }
    }
    return changed;
  }

  bool places() {
    bool changed = false;
    std::set<std::uint8_t> used;
    for (const auto& [kind, value] : values()) {
      if (kind == OperandKind::kAddress) used.insert(unpack_address(value).place);
    }
    for (const std::uint8_t from : used) {
      for (std::uint8_t to = 0; to < from; ++to) {
        const auto moved = [from, to](std::int64_t x) {
          const Address a = unpack_address(x);
          return a.place == from ? std::optional(pack(Address{to, a.offset})) : std::nullopt;
        };
        if (take_replaced(OperandKind::kAddress, moved)) {
          changed = true;
          break;
        }
      }
    }
    return changed;
  }

  static std::int32_t page_of(Address a) { return a.offset >> kPageShift; }

  // Whole pages of addresses go nearer to their place: all from one page on, or that page alone.
  bool pages() {
    bool changed = false;
    std::set<std::pair<std::uint8_t, std::int32_t>> used;
    for (const auto& [kind, value] : values()) {
      if (kind == OperandKind::kAddress) used.emplace(unpack_address(value).place, page_of(unpack_address(value)));
    }
    for (const auto& [place, page] : used) changed |= page != 0 && page_nearer(place, page);
    return changed;
  }

  bool page_nearer(std::uint8_t place, std::int32_t page) {
    for (const std::int32_t to : {0, 1, 2, 3, page / 2, page > 0 ? page - 1 : page + 1}) {
      if (std::abs(to) >= std::abs(page) && (page > 0 || to != -page)) continue;
      for (const bool alone : {false, true}) {
        const auto moved = [&](std::int64_t x) -> std::optional<std::int64_t> {
          Address a = unpack_address(x);
          if (a.place != place) return std::nullopt;
          if (alone ? page_of(a) != page : (page > 0 ? page_of(a) < page : page_of(a) > page)) return std::nullopt;
          a.offset += (to - page) * static_cast<std::int32_t>(kPageSize);
          return pack(a);
        };
        if (take_replaced(OperandKind::kAddress, moved)) return true;
      }
    }
    return false;
  }

  // A shorter range, with what lies at its end or after it as much nearer.
  bool ranges() {
    bool changed = false;
    for (std::size_t o = 0; o < best_.operations.size(); ++o) {
      const OpRow& r = row(best_.operations[o].op);
      for (std::size_t i = 0; i + 1 < r.operand_count(); ++i) {
        if (r.operands[i] == OperandKind::kAddress && r.operands[i + 1] == OperandKind::kLength)
          changed |= range_shorter(o, i);
      }
    }
    return changed;
  }

  bool range_shorter(std::size_t o, std::size_t i) {
    const Address start = unpack_address(best_.operations[o].operands[i]);
    const std::int64_t length = best_.operations[o].operands[i + 1];
    if (length < 0 || length > static_cast<std::int64_t>(kMaxLength)) return false;
    const auto pages = static_cast<std::int32_t>(length >> kPageShift);
    const std::int32_t last = page_of(start) + pages - 1;
    for (const std::int32_t fewer : {1, 2, pages / 2, pages - 1}) {
      if (fewer <= 0 || fewer >= pages) continue;
      Program p = best_;
      for (Operation& each : p.operations) {
        for (std::size_t k = 0; k < row(each.op).operand_count(); ++k) {
          Address a = unpack_address(each.operands[k]);
          if (row(each.op).operands[k] != OperandKind::kAddress || a.place != start.place || page_of(a) < last)
            continue;
          a.offset -= (pages - fewer) * static_cast<std::int32_t>(kPageSize);
          each.operands[k] = pack(a);
        }
      }
      p.operations[o].operands[i] = pack(start);
      p.operations[o].operands[i + 1] -= static_cast<std::int64_t>(pages - fewer) << kPageShift;
      if (take(std::move(p))) return true;
    }
    return false;
  }

  bool one_by_one() {
    bool changed = false;
    for (std::size_t o = best_.operations.size(); o-- > 0;) {
      const OpRow& r = row(best_.operations[o].op);
      for (std::size_t i = 0; i < r.operand_count(); ++i) changed |= operand(o, i, r.operands[i]);
    }
    return changed;
  }

  bool operand(std::size_t o, std::size_t i, OperandKind kind) {
    bool changed = false;
    for (bool again = true; again;) {
      again = false;
      for (const std::int64_t v : simpler(kind, best_.operations[o].operands[i])) {
        Program p = best_;
        p.operations[o].operands[i] = v;
        again = take(std::move(p));
        if (again) break;
      }
      changed |= again;
    }
    return changed;
  }

  Program best_;
  const std::function<bool(const Program&)>& still_fails_;
  const ShrinkLimits limits_;
  const Clock::time_point start_ = Clock::now();
  std::size_t evaluations_ = 0;
  std::unordered_set<std::string> tried_;
};

}  // namespace

Program shrink(const Program& program, const std::function<bool(const Program&)>& still_fails, ShrinkLimits limits) {
  return Shrinker(program, still_fails, limits).run();
}

}  // namespace faultline::vmm::fuzz
