// What may come of an access: every outcome that the architecture allows. SDM vol. 3A,
// "Determination of Access Rights", "Page-Fault Exceptions", "Accessed and Dirty Flags",
// "Protection Keys".
#pragma once

#include <string>
#include <vector>

#include "tests/model/access.hpp"
#include "tests/model/walk.hpp"

namespace faultline::model {

inline constexpr unsigned kNoFault = 0xff, kStackFault = 12, kGeneralProtection = 13, kPageFault = 14;

// The rule that decides an outcome; what results are grouped by.
enum class Rule : std::uint8_t {
  kAllowed,        // every right is there
  kNotPresent,     // P=0 somewhere
  kReserved,       // a reserved bit in a present entry
  kUser,           // a user access and U=0
  kWrite,          // a write and W=0
  kNoExecute,      // a fetch and NX=1
  kSmep,           // a supervisor fetch from a user page
  kSmap,           // a supervisor data access to a user page
  kUserKey,        // PKRU denies it
  kSupervisorKey,  // PKRS denies it
  kCanonical,      // bits above the linear-address width differ
  kStraddle,       // the second page of a straddling access decides
  kStale,          // a translation that is cached still
  kPdpte,          // PAE: MOV to CR3 finds a reserved bit in a PDPTE
  kImplicit,       // an implicit supervisor access to a user page
  kReadOnlyTable,  // a table in read-only memory
  kNoTable,        // a table where there is no memory
};
inline constexpr unsigned kRules = 17;
std::string_view name(Rule rule);         // "right.smap"
std::string_view description(Rule rule);  // one line
std::string_view source(Rule rule);       // section of the SDM

// Accessed and Dirty in one entry after the access: its value before, bits that must be set, and
// bits that may be.
struct EntryAfter {
  Gpa slot;
  unsigned level = 0;
  std::uint64_t before = 0, must = 0, may = 0;
};

struct Outcome {
  unsigned vector = kNoFault;
  std::uint32_t error = 0;
  Gva cr2;  // of a #PF
  Rule rule = Rule::kAllowed;
  Rule cause = Rule::kAllowed;     // the same, but for kStraddle: the rule that the second page breaks
  unsigned level = 0;              // whose entry decides; 0: no single one
  std::vector<Translation> pages;  // those that the access touches, in address order
  std::vector<EntryAfter> entries;
};

// Empty when an access has no defined result: a table outside memory.
using Answer = std::vector<Outcome>;

// All outcomes that are allowed for one access.
Answer predict(const Memory& memory, const Cpu& cpu, const Controls& controls, const Access& access);

// The error code of an access to one page that `t` translates, or nothing when it is allowed.
struct Denial {
  std::uint32_t error = 0;
  Rule rule = Rule::kAllowed;
  unsigned level = 0;
};
std::optional<Denial> denial(const Cpu& cpu, const Controls& controls, const Translation& t, const Access& access,
                             Kind as);

}  // namespace faultline::model
