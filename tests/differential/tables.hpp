// The programs that are run natively and in guests.
#pragma once

#include "tests/differential/compare.hpp"

namespace faultline::test {

// The guest's own programs (guest/programs), and the libc programs beside them.
std::vector<Row> situations();
std::vector<Row> libc_programs();
std::vector<Row> process_programs();  // of several processes: their faults come in no fixed order

// busybox applets on files and standard input.
std::vector<Row> digests();
std::vector<Row> compression();
std::vector<Row> text_tools();
std::vector<Row> files_and_system();
std::vector<Row> shell();

}  // namespace faultline::test
