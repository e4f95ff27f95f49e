// Writes docs/linux-fidelity.md anew.
#include <fstream>

#include "tests/fidelity/document.hpp"

int main() {
  std::ofstream file(faultline::test::kFidelityDocument);
  file << faultline::test::fidelity_document(faultline::test::fidelity_table());
  return file.flush() ? 0 : 1;
}
