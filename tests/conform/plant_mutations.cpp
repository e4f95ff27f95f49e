// Writes copies of mmu's walker with one mistake planted in each: what it is made of, put one
// after the other into a namespace of their own. Run by the build.
//   plant_mutations SOURCE_TREE OUTPUT
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/conform/mutations.hpp"

namespace {

// In an order in which each finds what it needs.
const std::vector<std::string> kFiles = {
    "mmu/arch/error_code.hpp",   "mmu/arch/paging_mode.hpp",  "mmu/arch/pte.hpp",         "mmu/arch/swap_entry.hpp",
    "mmu/arch/narrow_pte.hpp",   "mmu/arch/vector.hpp",       "mmu/phys/phys_memory.hpp", "mmu/pgtable/slot.hpp",
    "mmu/pgtable/walk.hpp",      "mmu/pgtable/walk_with.hpp", "mmu/pgtable/walk.cpp",     "mmu/pgtable/translate.hpp",
    "mmu/pgtable/translate.cpp", "mmu/pgtable/pdpte.hpp",     "mmu/pgtable/pdpte.cpp",    "vmm/conform/mmu_walker.cpp"};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

// Without includes and pragmas.
std::string body(const std::string& file) {
  std::ifstream in(file);
  if (!in) {
    std::cerr << "cannot read " << file << "\n";
    std::exit(1);
  }
  std::string text, line;
  while (std::getline(in, line)) {
    if (!line.starts_with("#include") && !line.starts_with("#pragma")) text += line + "\n";
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::map<std::string, std::string> sources;
  for (const std::string& file : kFiles) sources[file] = body(std::string(argv[1]) + "/" + file);

  std::ofstream out(argv[2]);
  out << "// Made by plant_mutations.\n"
         "#include <array>\n#include <atomic>\n#include <cstddef>\n#include <optional>\n#include <span>\n"
         "#include <string>\n#include <string_view>\n"
         "#include \"mmu/base/address.hpp\"\n#include \"mmu/base/check.hpp\"\n#include \"tests/conform/mutants.hpp\"\n";
  std::string table;
  std::size_t index = 0;
  for (const faultline::test::Mutation& m : faultline::test::kMutations) {
    const std::string space = "faultline::mutant_" + std::to_string(index++);
    const std::string& original = sources.at(std::string(m.file));
    const std::size_t at = original.find(m.from);
    const bool planted = at != std::string::npos && original.find(m.from, at + 1) == std::string::npos;
    table += planted ? "    &" + space + "::mmu_walker,\n" : "    nullptr,\n";
    if (!planted) continue;
    for (const std::string& file : kFiles) {
      std::string text = sources.at(file);
      if (file == m.file) text.replace(at, m.from.size(), m.to);
      text = replaced(text, "namespace faultline::mmu {", "namespace " + space + "::mmu {");
      out << replaced(text, "namespace faultline::vmm::conform {", "namespace " + space + " {");
    }
  }
  out << "namespace faultline::test {\n"
         "const std::vector<vmm::conform::Walker>& mutants() {\n"
         "  static const std::vector<vmm::conform::Walker> all = {\n"
      << table << "  };\n  return all;\n}\n}  // namespace faultline::test\n";
  return out ? 0 : 1;
}
