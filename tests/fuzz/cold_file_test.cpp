// Files that are not in memory, and page tables without pages: programs on which mmu and the Linux underneath once
// disagreed, or would without the rule that each line names.
#include <gtest/gtest.h>

#include "vmm/fuzz/judge.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::vmm::fuzz {
namespace {

struct Row {
  const char* rule;
  const char* program;  // without its first line
};

constexpr Row kRows[] = {
    {"read around",
     "resize disk 0\nresize disk 12p+5\nmap 512g 6p r-- shared,fixed disk 2\nread 1 512g+2p\nread 1 512g\n"
     "resident 512g 6p\n"},
    {"executable: forward to the mapping's end",
     "resize disk 0\nresize disk 12p\nmap 512g 6p r-x shared,fixed disk 2\nread 1 512g+2p\nresident 512g 6p\n"
     "read 1 512g+1p\n"},
    {"executable: a refused access finds nothing before the fault",
     "resize disk 0\nmap 512g 2p --x private,fixed disk 0\nresize disk 2p\nkernel-read 1 512g+1p\nwrite 1 512g 0\n"},
    {"at random: alone",
     "resize disk 0\nresize disk 12p\nmap 512g 6p r-- shared,fixed disk 2\nadvise 512g 6p random\nread 1 512g+2p\n"
     "resident 512g 6p\nread 1 512g+3p\n"},
    {"at random, but executable",
     "resize disk 0\nresize disk 12p\nmap 512g 6p r-x shared,fixed disk 2\nadvise 512g 6p random\nread 1 512g+2p\n"
     "resident 512g 6p\n"},
    {"in order: forward",
     "resize disk 0\nresize disk 12p\nmap 512g 6p r-- shared,fixed disk 2\nadvise 512g 6p sequential\nread 1 512g+2p\n"
     "resident 512g 6p\nread 1 512g+1p\n"},
    {"willneed",
     "resize disk 0\nresize disk 12p\nmap 512g 6p r-- shared,fixed disk 2\nadvise 512g+1p 3p willneed\n"
     "resident 512g 6p\nread 1 512g+1p\n"},
    {"a hole that was made",
     "map 512g 10p rw- shared,fixed disk 0\nread 1 512g+2p\nadvise 512g+2p 2p remove\nresident 512g 10p\n"
     "read 1 512g+2p\nread 1 512g+3p\n"},
    {"a page begun at the new end",
     "resize disk 0\nresize disk 5p\nresize disk 2p+1\nmap 512g 3p rw- shared,fixed disk 0\nread 1 512g\n"
     "resident 512g 3p\nread 1 512g+2p\nresident 512g 3p\n"},
    {"a page begun at the old end",
     "resize disk 0\nresize disk 3p+5\nresize disk 5p\nmap 512g 5p rw- private,fixed disk 0\nwrite 1 512g 3\n"
     "resident 512g 5p\nkernel-read 1 512g+3p\n"},
    {"MADV_POPULATE is major, mlock is not",
     "resize disk 0\nresize disk 4p\nmap 512g 4p r-- private,fixed disk 0\nadvise 512g 4p random\n"
     "advise 512g 2p populate-read\nlock 512g+2p 2p none\n"},
    {"a locked area that becomes writable",
     "resize disk 1p\nmap 512g 1p --- private,fixed,locked disk 1\nresize disk 2p\nprotect 512g 1p -w-\n"},
    {"a table that mremap makes",
     "map 1g-4p 4p rw- private,fixed anonymous 0\nmap 512g-4p 4p r-- private,fixed disk 7\nread 1 512g-4p\n"
     "advise 512g-4p 4p dontneed\nremap 512g-4p 4p 4p maymove,fixed 2m-8p\nread 1 2m-6p\nfetch 2m-8p\n"},
    {"a table that goes with what is alone in it",
     "map 512g-4p 8p r-- private,fixed disk 7\nread 1 512g-4p\n"
     "remap 512g-4p 8p 8p maymove,fixed,dontunmap 1g-4p\nread 1 512g-2p\nread 1 1g-2p\nwrite 1 512g-4p 1\n"},
};

TEST(ColdFile, ModelAndLinuxAgree) {
  auto host = make_host();
  if (!host) GTEST_SKIP() << host.error().message;
  auto model = make_model();
  ASSERT_TRUE(model);
  for (const Row& row : kRows) {
    const auto program = parse_text(std::string("faultline-fuzz 1\n") + row.program, row.rule);
    ASSERT_TRUE(program) << program.error().message;
    const auto ours = (*model)->run(*program), theirs = (*host)->run(*program);
    ASSERT_TRUE(ours && theirs) << row.rule;
    const auto difference = compare(*program, *ours, *theirs);
    EXPECT_FALSE(difference) << row.rule << ": step " << difference->step << ", " << difference->field << ": "
                             << difference->first_value << " / " << difference->second_value;
  }
}

}  // namespace
}  // namespace faultline::vmm::fuzz
