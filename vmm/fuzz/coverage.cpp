#include "vmm/fuzz/coverage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace faultline::vmm::fuzz {

namespace {

// Bits of a feature, from the lowest.
constexpr unsigned kStateAt = 3, kLevelAt = 7, kNxeAt = 10, kWpAt = 11, kOutcomeAt = 12, kStepAt = 16, kPathAt = 22;
constexpr std::uint32_t kCallFeature = 1U << 31;

std::uint32_t field(std::uint32_t value, unsigned at) { return value << at; }
std::uint8_t field_of(std::uint32_t feature, unsigned at, unsigned bits) {
  return static_cast<std::uint8_t>(feature >> at & ((1U << bits) - 1));
}

std::uint8_t state_of(const mmu::Walk& walk) {
  switch (walk.end) {
    case mmu::WalkEnd::kMapped: {
      const mmu::Rights rights = walk.last().rights;
      const unsigned bits = (rights.write ? 1U : 0U) | (rights.user ? 2U : 0U) | (rights.execute ? 0U : 4U);
      return static_cast<std::uint8_t>(static_cast<unsigned>(WalkState::kMapped) + bits);
    }
    case mmu::WalkEnd::kNotPresent:
      return static_cast<std::uint8_t>(walk.last().entry.none() ? WalkState::kEmpty : WalkState::kKept);
    case mmu::WalkEnd::kReservedBit: return static_cast<std::uint8_t>(WalkState::kReserved);
    case mmu::WalkEnd::kNonCanonical:
    case mmu::WalkEnd::kOutsideMemory: break;
  }
  return static_cast<std::uint8_t>(WalkState::kNoWalk);
}

Met met_of(Touch touch, const mmu::Walk& walk, CoveredControls controls) {
  Met met;
  met.touch = touch;
  met.state = state_of(walk);
  if (met.state < static_cast<std::uint8_t>(WalkState::kMapped))
    met.level =
        met.state == static_cast<std::uint8_t>(WalkState::kNoWalk) ? 5 : static_cast<std::uint8_t>(walk.last().level);
  met.nxe = controls.nxe;
  met.wp = controls.wp;
  return met;
}

std::uint8_t path_hash(const mmu::FaultPath& path) {
  return static_cast<std::uint8_t>(XXH3_64bits(path.steps().data(), path.steps().size()));
}

std::uint8_t outcome_class(const Met& met) { return std::min<std::uint8_t>(met.outcome, 2); }

// Dimensions of a projection, and where a feature lies in it.
struct Cell {
  std::size_t at = 0, of = 0;
};
Cell cell(Table table, const Met& m) {
  const std::size_t touch = static_cast<std::size_t>(m.touch);
  const std::size_t controls = (m.nxe ? 1U : 0U) | (m.wp ? 2U : 0U);
  switch (table) {
    case Table::kWalk: return {(touch * 6 + m.level) * kWalkStates + m.state, kTouches * 6 * kWalkStates};
    case Table::kDecision:
      return {(touch * kOutcomes + m.outcome) * kLastSteps + m.step, kTouches * kOutcomes * kLastSteps};
    case Table::kRights:
      return {((touch * kWalkStates + m.state) * 4 + controls) * 3 + outcome_class(m), kTouches * kWalkStates * 4 * 3};
    case Table::kWhere: return {(m.level * kWalkStates + m.state) * kLastSteps + m.step, 6 * kWalkStates * kLastSteps};
  }
  return {};
}

// The combination at `at`; the dimensions that the table leaves out as in Met().
Met met_at(Table table, std::size_t at) {
  Met m;
  const auto take = [&at](std::size_t of) {
    const std::size_t digit = at % of;
    at /= of;
    return static_cast<std::uint8_t>(digit);
  };
  switch (table) {
    case Table::kWalk:
      m.state = take(kWalkStates);
      m.level = take(6);
      break;
    case Table::kDecision:
      m.step = take(kLastSteps);
      m.outcome = take(kOutcomes);
      break;
    case Table::kRights: {
      m.outcome = take(3);
      const unsigned controls = take(4);
      m.nxe = (controls & 1) != 0;
      m.wp = (controls & 2) != 0;
      m.state = take(kWalkStates);
      break;
    }
    case Table::kWhere:
      m.step = take(kLastSteps);
      m.state = take(kWalkStates);
      m.level = take(6);
      return m;
  }
  m.touch = static_cast<Touch>(take(kTouches));
  return m;
}

std::size_t offset_of(Table table) {
  std::size_t at = 0;
  for (unsigned t = 0; t < static_cast<unsigned>(table); ++t) at += cell(static_cast<Table>(t), {}).of;
  return at;
}

std::string step_name(std::uint8_t step) {
  return step == Met::kNoStep ? "no fault" : std::string(mmu::name(static_cast<mmu::FaultStep>(step)));
}
std::string outcome_name(std::uint8_t outcome) {
  if (outcome < 2) return outcome == 0 ? "made" : "exception";
  return std::string(mmu::name(static_cast<mmu::FaultResult>(outcome - 2)));
}
std::string_view touch_name(Touch touch) {
  static constexpr std::array<std::string_view, kTouches> kNames{"read", "write", "fetch", "modify", "kernel"};
  return kNames[static_cast<std::size_t>(touch)];
}
std::string state_name(const Met& m) {
  static constexpr std::array<std::string_view, 4> kNames{"empty", "kept", "reserved", "no walk"};
  if (m.state < kNames.size()) return std::string(kNames[m.state]);
  const unsigned rights = m.state - static_cast<unsigned>(WalkState::kMapped);
  return fmt::format("mapped{}{}{}", (rights & 1) != 0 ? " W" : "", (rights & 2) != 0 ? " U" : "",
                     (rights & 4) != 0 ? " NX" : "");
}

std::string describe(Table table, const Met& m) {
  switch (table) {
    case Table::kWalk: return fmt::format("{}: level {} {}", touch_name(m.touch), m.level, state_name(m));
    case Table::kDecision:
      return fmt::format("{}: {}, {}", touch_name(m.touch), step_name(m.step), outcome_name(m.outcome));
    case Table::kRights:
      return fmt::format("{}: {}, NXE={} WP={}, {}", touch_name(m.touch), state_name(m), m.nxe ? 1 : 0, m.wp ? 1 : 0,
                         m.outcome == 2 ? "fault" : outcome_name(m.outcome));
    case Table::kWhere: return fmt::format("level {} {}: {}", m.level, state_name(m), step_name(m.step));
  }
  return {};
}

}  // namespace

Touch touch_of(Op op) {
  switch (op) {
    case Op::kRead: return Touch::kRead;
    case Op::kFetch: return Touch::kFetch;
    case Op::kModify:
    case Op::kLocked: return Touch::kModify;
    case Op::kKernelRead:
    case Op::kKernelWrite: return Touch::kKernel;
    default: return Touch::kWrite;
  }
}

std::uint32_t pack(const Met& m) {
  return static_cast<std::uint32_t>(m.touch) | field(m.state, kStateAt) | field(m.level, kLevelAt) |
         field(m.nxe ? 1 : 0, kNxeAt) | field(m.wp ? 1 : 0, kWpAt) | field(m.outcome, kOutcomeAt) |
         field(m.step, kStepAt) | field(m.path, kPathAt);
}

Met unpack_met(std::uint32_t feature) {
  Met m;
  m.touch = static_cast<Touch>(field_of(feature, 0, 3));
  m.state = field_of(feature, kStateAt, 4);
  m.level = field_of(feature, kLevelAt, 3);
  m.nxe = field_of(feature, kNxeAt, 1) != 0;
  m.wp = field_of(feature, kWpAt, 1) != 0;
  m.outcome = field_of(feature, kOutcomeAt, 4);
  m.step = field_of(feature, kStepAt, 6);
  m.path = field_of(feature, kPathAt, 8);
  return m;
}

std::uint32_t feature(Touch touch, const mmu::Walk& walk, CoveredControls controls, const mmu::FaultOutcome* outcome) {
  Met met = met_of(touch, walk, controls);
  if (outcome != nullptr) {
    met.outcome = static_cast<std::uint8_t>(static_cast<unsigned>(outcome->result) + 2);
    if (!outcome->path.steps().empty()) met.step = static_cast<std::uint8_t>(outcome->path.decided_by());
    met.path = path_hash(outcome->path);
  }
  return pack(met);
}

std::uint32_t exception_feature(Touch touch, const mmu::Walk& walk, CoveredControls controls) {
  Met met = met_of(touch, walk, controls);
  met.outcome = 1;
  return pack(met);
}

std::uint32_t call_feature(const Operation& operation, const StepResult& result) {
  const std::uint32_t error = result.result < 0 ? static_cast<std::uint32_t>(-result.result) & 0xfff : 0;
  const std::uint32_t signal = result.end == StepEnd::kSignal ? result.signal : 0U;
  std::uint32_t detail = 0;  // what makes one call another: its flags, advice, rights
  const OpRow& r = row(operation.op);
  for (std::size_t i = 0; i < r.operand_count(); ++i) {
    const OperandKind kind = r.operands[i];
    const bool tells = kind == OperandKind::kProtection || kind == OperandKind::kMapFlags ||
                       kind == OperandKind::kRemapFlags || kind == OperandKind::kAdvice || kind == OperandKind::kFile ||
                       kind == OperandKind::kSyncFlags || kind == OperandKind::kLockFlags;
    if (tells) detail = detail * 31 + static_cast<std::uint32_t>(operation.operands[i]) + 1;
  }
  const std::array<std::uint32_t, 4> all{static_cast<std::uint32_t>(operation.op), error, signal, detail % 64};
  return kCallFeature | static_cast<std::uint32_t>(XXH3_64bits(all.data(), sizeof(all)));
}

std::string_view name(Table table) {
  static constexpr std::array<std::string_view, kTables> kNames{"walk", "decision", "rights", "where"};
  return kNames[static_cast<std::size_t>(table)];
}

Coverage::Coverage(Means means) : means_(means) {
  static_assert(kTouches * 6 * kWalkStates + kTouches * kOutcomes * kLastSteps + kTouches * kWalkStates * 12 +
                    6 * kWalkStates * kLastSteps <=
                kCells);
}

std::size_t Coverage::add(std::span<const std::uint32_t> features) {
  std::size_t fresh = 0;
  for (const std::uint32_t f : features) {
    if (!features_.insert(f).second) continue;
    ++fresh;
    if ((f & kCallFeature) != 0) continue;
    const Met met = unpack_met(f);
    if (met.state >= kWalkStates || met.level > 5 || met.outcome >= kOutcomes || static_cast<unsigned>(met.touch) > 4)
      continue;
    for (unsigned t = 0; t < kTables; ++t)
      seen_.set(offset_of(static_cast<Table>(t)) + cell(static_cast<Table>(t), met).at);
  }
  return fresh;
}

void Coverage::merge(const Coverage& other) { add(other.sorted()); }

std::vector<std::uint32_t> Coverage::sorted() const {
  std::vector<std::uint32_t> all(features_.begin(), features_.end());
  std::ranges::sort(all);
  return all;
}

Coverage::Share Coverage::share(Table table) const {
  Share share;
  const std::size_t offset = offset_of(table), cells = cell(table, {}).of;
  for (std::size_t i = 0; i < cells; ++i) {
    const bool possible = impossible(table, met_at(table, i), means_).empty(), seen = seen_[offset + i];
    share.of += possible ? 1 : 0;
    share.met += possible && seen ? 1 : 0;
    share.unforeseen += !possible && seen ? 1 : 0;
  }
  return share;
}

Coverage::Share Coverage::share() const {
  Share all;
  for (unsigned t = 0; t < kTables; ++t) {
    const Share one = share(static_cast<Table>(t));
    all.met += one.met;
    all.of += one.of;
    all.unforeseen += one.unforeseen;
  }
  return all;
}

std::vector<std::string> Coverage::missing(Table table) const {
  std::vector<std::string> lines;
  const std::size_t offset = offset_of(table), cells = cell(table, {}).of;
  for (std::size_t i = 0; i < cells; ++i) {
    const Met met = met_at(table, i);
    if (!seen_[offset + i] && impossible(table, met, means_).empty()) lines.push_back(describe(table, met));
  }
  return lines;
}

std::vector<std::string> Coverage::unforeseen(Table table) const {
  std::vector<std::string> lines;
  const std::size_t offset = offset_of(table), cells = cell(table, {}).of;
  for (std::size_t i = 0; i < cells; ++i) {
    const Met met = met_at(table, i);
    const std::string_view why = impossible(table, met, means_);
    if (seen_[offset + i] && !why.empty()) lines.push_back(fmt::format("{}: {}", describe(table, met), why));
  }
  return lines;
}

namespace {
constexpr std::string_view kMagic = "FLCOVER1";
constexpr std::size_t kHeader = 16;  // magic, checksum of the rest
}  // namespace

std::vector<std::byte> Coverage::serialise() const {
  const std::vector<std::uint32_t> all = sorted();
  std::vector<std::byte> bytes(kHeader + all.size() * sizeof(std::uint32_t));
  if (!all.empty()) std::memcpy(bytes.data() + kHeader, all.data(), bytes.size() - kHeader);
  const std::uint64_t sum = XXH3_64bits(bytes.data() + kHeader, bytes.size() - kHeader);
  std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
  std::memcpy(bytes.data() + kMagic.size(), &sum, sizeof(sum));
  return bytes;
}

Result<Coverage> Coverage::parse(std::span<const std::byte> bytes, std::string_view file_name, Means means) {
  const auto refuse = [&](std::size_t at, std::string_view why) {
    return fail(fmt::format("{}: byte {}: {}", file_name, at, why));
  };
  if (bytes.size() < kHeader || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0)
    return refuse(0, "this is no coverage of a campaign; remove it to count anew");
  if ((bytes.size() - kHeader) % sizeof(std::uint32_t) != 0) return refuse(bytes.size(), "it is cut off");
  std::uint64_t sum = 0;
  std::memcpy(&sum, bytes.data() + kMagic.size(), sizeof(sum));
  if (sum != XXH3_64bits(bytes.data() + kHeader, bytes.size() - kHeader))
    return refuse(kMagic.size(), "the checksum is wrong; remove it to count anew");
  std::vector<std::uint32_t> all((bytes.size() - kHeader) / sizeof(std::uint32_t));
  if (!all.empty()) std::memcpy(all.data(), bytes.data() + kHeader, bytes.size() - kHeader);
  Coverage coverage(means);
  coverage.add(all);
  return coverage;
}

}  // namespace faultline::vmm::fuzz
