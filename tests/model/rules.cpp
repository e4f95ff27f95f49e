// Who may do what with a translated page, and what the error code says.
#include <array>

#include "tests/model/predict.hpp"

namespace faultline::model {
namespace {

constexpr std::uint32_t kErrP = 1, kErrW = 2, kErrU = 4, kErrRsvd = 8, kErrI = 16, kErrPk = 32;

struct RuleText {
  std::string_view name, description, source;
};
constexpr std::array<RuleText, kRules> kTexts = {{
    {"right.allowed", "every right is there: the access takes place, A and D are set", "Accessed and Dirty Flags"},
    {"walk.not-present", "an entry with P=0 ends the walk; P=0 in the error code", "Page-Fault Exceptions"},
    {"walk.reserved", "a reserved bit in a present entry: RSVD and P", "Page-Fault Exceptions"},
    {"right.user", "a user access needs U=1 at every level", "Determination of Access Rights"},
    {"right.write", "a write needs W=1 at every level, of a supervisor only with CR0.WP=1",
     "Determination of Access Rights"},
    {"right.fetch", "a fetch needs NX=0 at every level", "Determination of Access Rights"},
    {"right.smep", "no supervisor fetch from a user page with CR4.SMEP=1", "Determination of Access Rights"},
    {"right.smap", "no supervisor data access to a user page with CR4.SMAP=1, unless explicit and AC=1",
     "Determination of Access Rights"},
    {"right.pku", "PKRU denies data accesses to user pages of its key", "Protection Keys"},
    {"right.pks", "IA32_PKRS denies data accesses to supervisor pages of its key", "Protection Keys"},
    {"address.canonical", "bits above the linear-address width differ: #GP, or #SS through the stack",
     "Canonical Addressing"},
    {"address.straddle", "the second page of an access faults: CR2 is its first byte", "Page-Fault Exceptions"},
    {"tlb.stale", "an older translation may be used until it is invalidated", "Operations that Invalidate TLBs"},
    {"walk.pdpte", "PAE: a reserved bit in a present PDPTE: MOV to CR3 raises #GP", "PDPTE Registers"},
    {"right.implicit",
     "no implicit access to a user page with CR4.SMAP=1: a supervisor's at every CPL, whatever AC says",
     "Access Rights"},
    {"walk.read-only", "a table in read-only memory serves as any other, but its A and D stay as they are",
     "Accessed and Dirty Flags"},
    {"walk.no-memory", "a table where there is no memory: entries that are not present, or all ones",
     "Page-Fault Exceptions"},
}};

// Level of the entry nearest to the root that has (`set`) or lacks the bit.
unsigned deciding_level(const Translation& t, unsigned bit, bool set) {
  for (unsigned i = 0; i < t.count; ++i) {
    if (((t.steps[i].entry >> bit & 1) != 0) == set) return t.steps[i].level;
  }
  return 0;
}

// SDM vol. 3A, "Protection Keys": data accesses only; WD for a supervisor only with CR0.WP.
std::optional<Denial> key_denial(const Controls& c, const Translation& t, const Access& a, Kind as) {
  if (as == Kind::kFetch || !long_mode(c.paging) || !(t.user ? c.pke : c.pks)) return std::nullopt;
  const std::uint32_t rights = (t.user ? c.pkru : c.pkrs) >> (2 * t.key);
  const bool access_disabled = (rights & 1) != 0;
  const bool write_disabled = (rights & 2) != 0 && as == Kind::kWrite && (a.user_mode() || c.wp);
  if (!access_disabled && !write_disabled) return std::nullopt;
  return Denial{kErrPk, t.user ? Rule::kUserKey : Rule::kSupervisorKey, t.last().level};
}

std::optional<Denial> right_denial(const Controls& c, const Translation& t, const Access& a, Kind as) {
  const bool user = a.user_mode();
  if (user && !t.user) return Denial{0, Rule::kUser, deciding_level(t, 2, false)};
  const bool supervisor_on_user_page = !user && t.user && c.paging != Paging::kNone;
  if (supervisor_on_user_page && as == Kind::kFetch && c.smep) return Denial{0, Rule::kSmep, 0};
  if (supervisor_on_user_page && as != Kind::kFetch && c.smap && (a.implicit || !a.ac))
    return Denial{0, a.implicit ? Rule::kImplicit : Rule::kSmap, 0};
  if (as == Kind::kWrite && !t.write && (user || c.wp)) return Denial{0, Rule::kWrite, deciding_level(t, 1, false)};
  if (as == Kind::kFetch && !t.execute) return Denial{0, Rule::kNoExecute, deciding_level(t, 63, true)};
  return std::nullopt;
}

// The bits that follow from the access alone.
std::uint32_t access_bits(const Controls& c, const Access& a, Kind as) {
  std::uint32_t error = 0;
  if (as == Kind::kWrite) error |= kErrW;
  if (a.user_mode()) error |= kErrU;
  const bool reports_fetch = (c.nxe && c.paging != Paging::kTwoLevel) || c.smep;
  if (as == Kind::kFetch && reports_fetch) error |= kErrI;
  return error;
}

}  // namespace

std::string_view name(Rule rule) { return kTexts.at(static_cast<unsigned>(rule)).name; }
std::string_view description(Rule rule) { return kTexts.at(static_cast<unsigned>(rule)).description; }
std::string_view source(Rule rule) { return kTexts.at(static_cast<unsigned>(rule)).source; }

std::string_view name(Kind kind) {
  switch (kind) {
    case Kind::kRead: return "read";
    case Kind::kWrite: return "write";
    case Kind::kReadWrite: return "read-modify-write";
    case Kind::kFetch: return "fetch";
  }
  return "";
}

std::optional<Denial> denial(const Cpu&, const Controls& c, const Translation& t, const Access& a, Kind as) {
  if (c.paging == Paging::kNone) return std::nullopt;
  const std::uint32_t error = access_bits(c, a, as);
  if (t.end == End::kNotPresent) return Denial{error, Rule::kNotPresent, t.last().level};
  if (t.end == End::kReserved) return Denial{error | kErrP | kErrRsvd, Rule::kReserved, t.last().level};
  const std::optional<Denial> right = right_denial(c, t, a, as);
  const std::optional<Denial> key = key_denial(c, t, a, as);
  if (!right && !key) return std::nullopt;
  const Denial& first = right ? *right : *key;
  return Denial{error | kErrP | (key ? kErrPk : 0), first.rule, first.level};
}

}  // namespace faultline::model
