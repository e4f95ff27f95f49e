// Disagreements that are known, each with its reason: a campaign counts them apart and they fail
// nothing, so that only news does. A file of rules is a JSON object:
//
//   {"format": 1, "rules": [{
//     "id": "...",             what statistics call it; unique
//     "judges": ["P", "P"],    patterns of the two judges' names, in either order
//     "field": ["P", ...],     patterns of Disagreement::field, one of them; a single one needs no list
//     "op": ["P", ...],        the same of the step's operation in text form; "end" is the end
//     "with": ["P", ...],      each matches the text form of some operation up to the step (optional)
//     "across": ["P", ...],    one matches the text form of an access up to the step that begins in one
//                              page and ends in another (optional)
//     "values": ["P", "P"],    patterns of what each judge said, in the order of "judges" (optional)
//     "backend": "P",          pattern of the name of one of the judges, or of the backend (optional)
//     "reason": "...",         why that is no bug
//     "source": "..."}]}       the manual's section, Linux's function or the measurement that says so
//
// Patterns are those of fnmatch(3), without special meaning of slashes and leading dots.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mmu/base/result.hpp"
#include "vmm/fuzz/trace.hpp"

namespace faultline::vmm::fuzz {

struct Rule {
  std::string id, reason, source, backend;
  std::vector<std::string> judges, values;  // two, or none of values
  std::vector<std::string> field, op, with, across;
  [[nodiscard]] bool matches(const Program& program, const Disagreement& disagreement) const;
};

class KnownDeviations {
 public:
  // Error: one line that names file and place: "FILE: rule 3: ...", or "FILE: byte 17: ...".
  static Result<KnownDeviations> parse(std::string_view text, const std::string& file_name);
  static Result<KnownDeviations> load(const std::string& path);
  // The ones that come with Faultline: known-deviations.json.
  static Result<KnownDeviations> built_in();

  // The rules of `more` after these. Error: an id that is there already.
  Result<void> add(const KnownDeviations& more);
  // The first rule that matches; null: news. Valid as long as this and add() are not touched.
  [[nodiscard]] const Rule* explains(const Program& program, const Disagreement& disagreement) const;
  [[nodiscard]] const std::vector<Rule>& rules() const { return rules_; }

 private:
  std::vector<Rule> rules_;
};

}  // namespace faultline::vmm::fuzz
