// Writes copies of mmu's sources in which every mistake of mistakes.hpp can be switched on. Run
// by the build.
//   plant SOURCE_TREE OUTPUT_DIRECTORY FILE...
// FILEs are all that mistakes are planted in, from the root of the tree. Each becomes a file of
// the same name in the directory, with '_' for '/'; rows.cpp there says which mistakes were planted.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/fuzz/planted/mistakes.hpp"

namespace {

using faultline::test::kMistakes;
using faultline::test::Mistake;
using faultline::test::PlantedIn;

std::string read(const std::string& path) {
  std::ifstream in(path);
  if (!in) {
    std::cerr << "cannot read " << path << "\n";
    std::exit(1);
  }
  return {std::istreambuf_iterator<char>(in), {}};
}

// Where a mistake's text is; npos: not there, or more than once.
std::size_t place(const std::string& text, const Mistake& m) {
  const std::size_t at = text.find(m.from);
  return at == std::string::npos || text.find(m.from, at + 1) != std::string::npos ? std::string::npos : at;
}

// The mistakes of one place: their alternatives, and the truth at the end.
std::string alternatives(const std::vector<std::size_t>& numbers) {
  const Mistake& first = kMistakes[numbers.front()];
  std::string text = first.in == PlantedIn::kExpression ? "(" : "";
  for (const std::size_t n : numbers) {
    const std::string condition = "::faultline::test::planted(" + std::to_string(n) + ")", to(kMistakes[n].to);
    text += first.in == PlantedIn::kExpression ? condition + " ? (" + to + ") : "
                                               : "if (" + condition + ") {\n" + to + "\n} else ";
  }
  const std::string from(first.from);
  return text + (first.in == PlantedIn::kExpression ? "(" + from + "))" : "{\n" + from + "\n}");
}

// Notes in `planted` which it planted.
std::string copy_of(const std::string& file, std::string text, std::vector<bool>& planted) {
  std::map<std::size_t, std::vector<std::size_t>, std::greater<>> places;  // from the last one
  for (std::size_t n = 0; n < std::size(kMistakes); ++n) {
    if (kMistakes[n].file != file) continue;
    const std::size_t at = place(text, kMistakes[n]);
    if (at == std::string::npos) continue;
    planted[n] = true;
    places[at].push_back(n);
  }
  for (const auto& [at, numbers] : places)
    text.replace(at, kMistakes[numbers.front()].from.size(), alternatives(numbers));
  return "// Made by plant.\n#include \"tests/fuzz/planted/planted.hpp\"\n" + text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::string tree = std::string(argv[1]) + "/", directory = std::string(argv[2]) + "/";
  const std::vector<std::string> files(argv + 3, argv + argc);
  for (const Mistake& m : kMistakes) {
    if (std::ranges::find(files, m.file) != files.end()) continue;
    std::cerr << m.file << " has mistakes and is not in the list of the build\n";
    return 1;
  }
  std::vector<bool> planted(std::size(kMistakes), false);
  for (const std::string& file : files) {
    std::string name = file;
    std::ranges::replace(name, '/', '_');
    if (!(std::ofstream(directory + name) << copy_of(file, read(tree + file), planted))) return 1;
  }
  std::ofstream rows(directory + "rows.cpp");
  rows << "// Made by plant.\n#include \"tests/fuzz/planted/planted.hpp\"\nnamespace faultline::test {\n"
          "bool is_planted(std::size_t mistake) {\n  static constexpr bool kPlanted[] = {";
  for (const bool p : planted) rows << (p ? "true, " : "false, ");
  rows << "};\n  return kPlanted[mistake];\n}\n}  // namespace faultline::test\n";
  return rows ? 0 : 1;
}
