// The reference against traces made by hand, rule by rule. A case is a program in text form; what
// each step comes to stands behind it, after "=> ".
#include "vmm/fuzz/judge.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <sstream>

#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::vmm::fuzz {
namespace {

// Addresses as tests write them: pages and bytes from 2m, else hexadecimal.
std::string address_text(std::uint64_t address) {
  const std::uint64_t base = kPlaces[2].address;
  std::ostringstream out;
  if (address - base >= 128 * kPageSize) {
    out << "0x" << std::hex << address;
    return out.str();
  }
  out << (address - base) / kPageSize << 'p';
  if ((address & kPageMask) != 0) out << '+' << (address & kPageMask);
  return out.str();
}

std::string code_text(const StepResult& r) {
  if (r.code == SI_KERNEL) return "kernel";
  if (r.signal == SIGBUS) return r.code == BUS_ADRERR ? "adrerr" : "?";
  return r.code == SEGV_MAPERR ? "maperr" : r.code == SEGV_ACCERR ? "accerr" : "?";
}

std::string step_text(const Operation& operation, const StepResult& r) {
  if (r.end == StepEnd::kNotJudged) return "not judged";
  if (r.end == StepEnd::kSignal) return code_text(r) + " " + address_text(r.address);
  if (row(operation.op).op_class == OpClass::kAccess) {
    std::ostringstream out;
    out << "done" << std::hex;
    for (unsigned i = 0; i < r.byte_count; ++i)
      out << (i == 0 ? " " : "") << (r.bytes[i] < 16 ? "0" : "") << +r.bytes[i];
    return out.str();
  }
  const bool place = r.result >= static_cast<std::int64_t>(kPlaces[2].address);
  return place ? address_text(static_cast<std::uint64_t>(r.result)) : std::to_string(r.result);
}

std::string vma_text(const SeenVma& vma) {
  constexpr std::array<std::string_view, 3> kNames{"anonymous", "disk", "memory"};
  std::ostringstream out;
  out << address_text(vma.start) << '-' << address_text(vma.end) << ' ';
  out << std::string_view(vma.rights.data(), 4) << ' ' << kNames[static_cast<std::size_t>(vma.file)];
  if (vma.file != FileOperand::kNone) out << ' ' << vma.offset / kPageSize << 'p';
  return out.str();
}

struct Case {
  std::string_view name;
  std::string_view lines;      // OPERATION => RESULT
  std::string_view vmas = "";  // at the end, a line each, "N: " before those of process N
};

struct Expected {
  Program program;
  std::vector<std::string> results;
};

Expected parse(const Case& c) {
  Expected expected;
  std::string text = std::string(kTextHeader) + "\n";
  std::istringstream lines{std::string(c.lines)};
  for (std::string line; std::getline(lines, line);) {
    const auto arrow = line.find("=> ");
    if (arrow == std::string::npos) continue;
    text += line.substr(0, arrow) + "\n";
    expected.results.push_back(line.substr(arrow + 3));
  }
  auto program = parse_text(text, c.name);
  EXPECT_TRUE(program) << (program ? "" : program.error().message);
  if (program) expected.program = *program;
  return expected;
}

std::string vmas_text(const Trace& trace) {
  std::string text;
  for (const SeenProcess& process : trace.processes)
    for (const SeenVma& vma : process.vmas) text += std::to_string(process.number) + ": " + vma_text(vma) + "\n";
  return text;
}

void check(const Case& c) {
  SCOPED_TRACE(c.name);
  const Expected expected = parse(c);
  const auto trace = make_reference()->run(expected.program);
  ASSERT_TRUE(trace);
  ASSERT_EQ(trace->steps.size(), expected.results.size());
  for (std::size_t i = 0; i < trace->steps.size(); ++i) {
    const Operation& operation = expected.program.operations[i];
    EXPECT_EQ(step_text(operation, trace->steps[i]), expected.results[i]) << to_text(operation);
  }
  if (!c.vmas.empty()) {
    EXPECT_EQ(vmas_text(*trace), c.vmas);
  }
}

TEST(Reference, Map) {
  check({"arguments in their order", R"(
map 2m 0 rw- private,fixed anonymous 0 => -22
map 2m maximum rw- private,fixed anonymous 0 => -12
map 2m huge rw- private,fixed anonymous 0 => -12
map 2m+1 overflow rw- private,fixed anonymous 0 => -12
map 2m+1 1p rw- private,fixed anonymous 0 => -22
map top 1p rw- private,fixed anonymous 0 => -12
map null 1p rw- private,fixed anonymous 0 => -1
map null-22 1p rw- private,fixed anonymous 0 => -22
map null-1025 1p rw- private,noreplace anonymous 0 => -1025
map null-1p 1p rw- private,fixed anonymous 0 => -12
map 2m 1 rw- private,noreplace anonymous 0 => 0p
map 2m-1p 2p rw- private,noreplace,growsdown disk 0 => -17
map 2m 1p rw- shared,fixed,growsdown anonymous 0 => -22
map 2m 1p rw- private,fixed,growsdown disk 0 => -22
)"});
  check({"what fails unmaps nothing, what succeeds replaces", R"(
map 2m 3p rw- private,fixed anonymous 0 => 0p
write 1 2m+1p 0 => done
map 2m+1p 1p rw- private,fixed,growsdown disk 0 => -22
read 1 2m+1p => done f5
map 2m+1p 1p -wx private,fixed memory 3 => 1p
)",
         "0: 0p-1p rw-p anonymous\n0: 1p-2p -wxp memory 3p\n0: 2p-3p rw-p anonymous\n"});
  check({"populating a private writable file copies its pages then", R"(
map 2m 2p rw- shared,fixed memory 0 => 0p
map 2m+4p 2p rw- private,fixed memory 0 => 4p
map 2m+8p 2p rw- private,fixed,populate memory 0 => 8p
map 2m+12p 2p r-- private,fixed,populate memory 0 => 12p
write 2 2m+1p 0 => done
read 2 2m+5p => done f5f5
write 2 2m 1 => done
read 2 2m+13p => done f5f5
kernel-write 2 2m+9p+8 2 => 2
write 4 2m+1p 3 => done
read 2 2m+9p+8 => done f9f9
read 2 2m+9p => done f8fc
read 4 2m+5p => done fcfcfcfc
)"});
}

TEST(Reference, Unmap) {
  check({"holes are fine", R"(
unmap 2m 4p => 0
unmap 2m 0 => -22
unmap 2m+1 1p => -22
unmap top 1 => -22
unmap top-1p 1 => 0
unmap kernel 1p => -22
map 2m 6p r-- private,fixed anonymous 0 => 0p
unmap 2m+1p 1 => 0
unmap 2m+3p 4097 => 0
read 1 2m+1p => maperr 1p
)",
         "0: 0p-1p r--p anonymous\n0: 2p-3p r--p anonymous\n0: 5p-6p r--p anonymous\n"});
}

TEST(Reference, Protect) {
  check({"everything before the hole is changed", R"(
map 2m 2p rw- private,fixed anonymous 0 => 0p
map 2m+3p 1p rw- private,fixed anonymous 0 => 3p
protect 2m 4p r-- => -12
protect 2m+2p 2p r-- => -12
protect 2m+1 1p r-- => -22
protect 2m 0 --- => 0
protect 2m maximum --- => -12
write 8 2m+1p 4 => accerr 1p
write 8 2m+3p 0 => done
)",
         "0: 0p-2p r--p anonymous\n0: 3p-4p rw-p anonymous\n"});
  check({"a locked private file that becomes writable is copied", R"(
map 2m 1p r-- private,fixed,locked memory 0 => 0p
map 2m+1p 1p r-- private,fixed memory 0 => 1p
map 2m+2p 1p rw- shared,fixed memory 0 => 2p
protect 2m 2p rw- => 0
write 1 2m+2p 3 => done
read 1 2m+1p => done fc
read 1 2m => done f5
)"});
}

TEST(Reference, Signals) {
  check({"of one page", R"(
read 1 2m => maperr 0p
map 2m 1p --- private,fixed anonymous 0 => 0p
read 1 2m+5 => accerr 0p+5
map 2m 1p --x private,fixed anonymous 0 => 0p
read 4 2m => done 00000000
write 1 2m 0 => accerr 0p
map 2m 1p -w- private,fixed anonymous 0 => 0p
read 1 2m => done 00
fetch 2m => accerr 0p
read 1 kernel => maperr 0xffff800000000000
write 1 top 0 => maperr 0x7ffffffff000
read 1 vsyscall => maperr 0xffffffffff600000
fetch vsyscall+1 => kernel 0x0
read 8 noncanonical => kernel 0x0
write 16 kernel-4 0 => kernel 0x0
fetch noncanonical+1p => kernel 0x0
)"});
  check({"of two pages: the lower first, the upper at its first byte", R"(
map 2m 1p rw- private,fixed anonymous 0 => 0p
write 8 2m+1p-4 0 => maperr 1p
read 4 2m+1p-4 => done 00000000
map 2m+1p 1p r-- private,fixed anonymous 0 => 1p
write 8 2m+1p-1 0 => accerr 1p
exchange 8 2m+1p-1 0 => accerr 1p
modify 8 2m+1p-1 => accerr 1p
read 16 2m+1p-8 => done 00000000000000000000000000000000
read 8 2m+2p-1 => maperr 2p
write 8 2m+2p-4 0 => accerr 1p+4092
)"});
  check({"a refused store has copied the page that it began in", R"(
map 2m 1p rw- private,fixed memory 7 => 0p
map 2m+8p 2p rw- shared,fixed memory 7 => 8p
write 8 2m+1p-4 0 => maperr 1p
write 1 2m+8p+16 3 => done
write 1 2m+8p+32 0 => done
kernel-read 1 2m+16 => 1
read 1 2m+32 => done f8
exchange 1 2m+8p+32 1 => done f5
read 1 2m+32 => done f8
)"});
}

TEST(Reference, EndOfFile) {
  check({"pages beyond it", R"(
map 2m 10p rwx shared,fixed disk 0 => 0p
read 1 2m+9p+7 => adrerr 9p+7
write 8 2m+9p-4 0 => adrerr 9p
fetch 2m+9p => adrerr 9p
protect 2m+9p 1p r-- => 0
fetch 2m+9p => adrerr 9p
write 1 2m+9p 0 => accerr 9p
kernel-read 32 2m+9p-8 => 8
kernel-write 8 2m+9p 0 => -14
resize disk 10p => 0
read 1 2m+9p => done 00
)"});
  check({"a shorter file takes private copies along, but clears none in part", R"(
map 2m 3p rw- private,fixed memory 0 => 0p
write 8 2m+2p 0 => done
write 8 2m+1p+0x200 0 => done
map 2m+4p 3p rw- shared,fixed memory 0 => 4p
write 1 2m+5p+0x200 0 => done
resize memory 0x1200 => 0
read 8 2m+2p => adrerr 2p
read 1 2m+5p+0x200 => done 00
read 1 2m+1p+0x200 => done f5
resize memory 3p => 0
read 8 2m+2p => done 0000000000000000
)"});
  check({"bytes beyond the end in its page: a disk's go, a memfd's come back", R"(
resize disk 1 => 0
resize memory 1 => 0
map 2m 1p rw- shared,fixed disk 0 => 0p
map 2m+1p 1p rw- shared,fixed memory 0 => 1p
write 1 2m+8 0 => done
write 1 2m+1p+8 0 => done
resize disk 100 => 0
resize memory 100 => 0
read 1 2m+8 => done 00
read 1 2m+1p+8 => done f5
write 1 2m+200 0 => done
write 1 2m+1p+200 0 => done
resize disk 100 => 0
resize memory 100 => 0
read 1 2m+200 => done 00
read 1 2m+1p+200 => done 00
write 1 2m+200 0 => done
write 1 2m+1p+200 0 => done
sync 2m 2p async => 0
read 1 2m+200 => done f5
sync 2m 2p sync => 0
read 1 2m+200 => done 00
read 1 2m+1p+200 => done f5
)"});
}

TEST(Reference, Remap) {
  check({"arguments", R"(
map 2m 4p rw- private,fixed anonymous 0 => 0p
remap 2m+1 1p 1p none 2m => -22
remap 2m 1p 0 none 2m => -22
remap 2m 1p huge none 2m => -22
remap 2m 1p 1p fixed 2m+8p => -22
remap 2m 1p 1p dontunmap 2m+8p => -22
remap 2m 1p 2p maymove,fixed,dontunmap 2m+8p => -22
remap 2m 2p 2p maymove,fixed 2m+1p => -22
remap 2m 1p 1p maymove,fixed 2m+8p+1 => -22
remap 2m 1p 1p maymove,fixed top => -22
remap 2m+5p 1p 2p none 2m => -14
remap 2m 0 1p maymove,fixed 2m+8p => -22
remap 2m 5p 6p none 2m => -14
remap 2m 2p 3p none 2m => -12
remap 2m 4p 4p none 2m => 0p
remap 2m overflow 1p none 2m => -22
)",
         "0: 0p-4p rw-p anonymous\n"});
  check({"too low comes after the destination and the tail were unmapped", R"(
map 2m 4p rw- private,fixed anonymous 0 => 0p
remap 2m 4p 1p maymove,fixed null+1p => -1
)",
         "0: 0p-1p rw-p anonymous\n"});
  check({"growing and shrinking", R"(
map 2m 2p rw- private,fixed disk 1 => 0p
write 1 2m+1p 0 => done
remap 2m 2p 3p none 2m => 0p
remap 2m 1p 2p maymove,fixed 2m+8p => 8p
remap 2m+1p 2p 1p none 2m => 1p
read 1 2m+1p => done f5
)",
         "0: 1p-2p rw-p disk 2p\n0: 8p-10p rw-p disk 1p\n"});
  check({"moves take content along; DONTUNMAP leaves rights", R"(
map 2m 4p rw- private,fixed anonymous 0 => 0p
write 1 2m+1p 0 => done
write 1 2m+2p 1 => done
protect 2m+2p 2p r-- => 0
unmap 2m+3p 1p => 0
map 2m+3p 1p r-- shared,fixed memory 2 => 3p
remap 2m+1p 3p 3p maymove,fixed 2m+11p => 11p
read 1 2m+11p => done f5
read 1 2m+12p => done f8
remap 2m+11p 1p 1p maymove,fixed,dontunmap 2m+1p => 1p
read 1 2m+1p => done f5
read 1 2m+11p => done 00
)",
         "0: 0p-2p rw-p anonymous\n0: 11p-12p rw-p anonymous\n0: 12p-13p r--p anonymous\n0: 13p-14p r--s memory 2p\n"});
  check({"holes between are kept, one at the start is refused", R"(
map 2m 1p rw- private,fixed anonymous 0 => 0p
map 2m+2p 1p rw- private,fixed anonymous 0 => 2p
map 2m+10p 3p r-- private,fixed anonymous 0 => 10p
remap 2m 3p 3p maymove,fixed 2m+10p => 10p
remap 2m 3p 3p maymove,fixed 2m+20p => -14
)",
         "0: 10p-11p rw-p anonymous\n0: 11p-12p r--p anonymous\n0: 12p-13p rw-p anonymous\n"});
  check({"shared memory is doubled with old length 0", R"(
map 2m 2p rw- shared,fixed anonymous 0 => 0p
write 1 2m+1p 0 => done
remap 2m+1p 0 2p maymove,fixed 2m+8p => 8p
read 1 2m+8p => done f5
read 1 2m+9p => adrerr 9p
remap 2m 0 1p maymove,fixed 2m => -14
)",
         "0: 1p-2p rw-s anonymous\n0: 8p-10p rw-s anonymous\n"});
  check({"neighbours that were written apart are two areas", R"(
map 2m 2p rw- private,fixed anonymous 0 => 0p
write 1 2m 0 => done
map 2m+3p 1p rw- private,fixed anonymous 0 => 3p
write 1 2m+3p 0 => done
map 2m+2p 1p rw- private,fixed anonymous 0 => 2p
remap 2m 4p 5p none 2m => -14
remap 2m 3p 5p maymove,fixed 2m+8p => 8p
)"});
}

TEST(Reference, RemapThatShrinks) {
  check({"may cross areas with what it drops", R"(
map 2m+8p 2p rw- private,fixed anonymous 0 => 8p
map 2m+10p 2p r-- private,fixed anonymous 0 => 10p
map 2m 1p r-x private,fixed anonymous 0 => 0p
remap 2m+9p 3p 2p maymove,fixed 2m => -14
remap 2m+8p huge 1p maymove,fixed 2m+20p => -22
remap 2m+8p huge 1p maymove,fixed 2m => -22
remap 2m+9p 3p 1p maymove,fixed 2m+4p => 4p
)",
         "0: 4p-5p rw-p anonymous\n0: 8p-9p rw-p anonymous\n"});
}

TEST(Reference, Advice) {
  check({"arguments, holes", R"(
advise 2m+1 1p dontneed => -22
advise 2m 0 dontneed => 0
advise 2m maximum dontneed => -22
advise 2m overflow dontneed => -22
advise 2m 1p dontneed => -12
map 2m 1p rw- private,fixed anonymous 0 => 0p
map 2m+2p 1p rw- private,fixed anonymous 0 => 2p
write 1 2m+2p 0 => done
advise 2m 3p dontneed => -12
read 1 2m+2p => done 00
)"});
  check({"an area that refuses ends it", R"(
map 2m 3p rw- private,fixed anonymous 0 => 0p
fill 1 2m 0 => done
fill 1 2m+1p 0 => done
fill 1 2m+2p 0 => done
lock 2m+1p 1p none => 0
advise 2m 3p dontneed => -22
advise 2m 3p guard-install => -22
read 1 2m => maperr 0p
read 1 2m+1p => done f5
read 1 2m+2p => done f5
)"});
  check({"remove clears the object and leaves copies", R"(
map 2m 2p rw- shared,fixed disk 0 => 0p
map 2m+2p 2p rw- private,fixed disk 0 => 2p
write 1 2m+2p 0 => done
advise 2m 2p remove => 0
read 2 2m => done 0000
read 1 2m+2p => done f5
read 2 2m+3p => done 0000
advise 2m+2p 1p remove => -13
map 2m 1p rw- private,fixed anonymous 0 => 0p
advise 2m 1p remove => -22
)"});
  check({"populating", R"(
map 2m 2p r-- private,fixed memory 8 => 0p
advise 2m 1p populate-read => 0
advise 2m 2p populate-read => -14
advise 2m 1p populate-write => -22
advise 2m+2p 1p populate-write => -12
map 2m+2p 1p --x private,fixed anonymous 0 => 2p
advise 2m+2p 1p populate-read => -22
map 2m+3p 1p rw- shared,fixed memory 8 => 3p
protect 2m 1p rw- => 0
advise 2m 1p populate-write => 0
write 1 2m+3p 3 => done
write 1 2m+3p 0 => done
exchange 1 2m+3p+64 3 => done f8
read 1 2m+64 => done f8
)"});
  check({"guards", R"(
map 2m 3p rw- private,fixed anonymous 0 => 0p
write 1 2m+1p 0 => done
advise 2m+1p 1p guard-install => 0
read 1 2m+1p => maperr 1p
kernel-write 16 2m+1p-8 0 => 8
advise 2m 3p populate-read => -14
advise 2m 3p dontneed => 0
lock 2m 3p none => -12
remap 2m 3p 3p maymove,fixed 2m+4p => 4p
write 1 2m+5p 0 => maperr 5p
protect 2m+5p 1p --- => 0
read 1 2m+5p => accerr 5p
advise 2m+5p 1p guard-remove => 0
protect 2m+5p 1p rw- => 0
read 1 2m+5p => done 00
)"});
}

TEST(Reference, LockAndSync) {
  check({"locks", R"(
lock 2m 1p none => -12
lock 2m huge none => -12
lock 2m maximum none => 0
unlock 2m maximum => 0
unlock 2m overflow => -22
map 2m 2p --- private,fixed anonymous 0 => 0p
lock 2m 1p none => -12
lock 2m 1p onfault => 0
lock 2m+1p 2p onfault => -12
sync 2m 1p invalidate => -16
sync 2m+1p 1p async,invalidate => -16
unlock 2m+2p-1 1 => 0
sync 2m+1p 1p invalidate => 0
)"});
  check({"sync", R"(
map 2m 1p rw- shared,fixed disk 0 => 0p
map 2m+2p 1p rw- private,fixed,locked anonymous 0 => 2p
sync 2m+1 1p none => -22
sync 2m 1p async,sync => -22
sync 2m overflow none => -12
sync 2m 0 none => 0
sync 2m 2p sync => -12
sync 2m 3p sync => -12
sync 2m 3p async => -12
sync 2m 3p invalidate => -16
)"});
}

TEST(Reference, Fork) {
  check({"private memory is the child's own, shared memory is one", R"(
map 2m 1p rw- private,fixed anonymous 0 => 0p
map 2m+1p 1p rw- shared,fixed anonymous 0 => 1p
write 1 2m 0 => done
fork => 1
write 1 2m 1 => done
write 1 2m+1p 1 => done
switch 1 => 0
read 1 2m => done f5
read 1 2m+1p => done f8
fork => 2
fork => 3
fork => -11
exit => 0
write 1 2m 3 => done
exit => 0
exit => 0
read 1 2m => done f5
switch 0 => -3
exit => -1
)"});
  check({"what a child does not get", R"(
map 2m 4p rw- private,fixed,locked anonymous 0 => 0p
fill 4 2m 0 => done
fill 4 2m+1p 0 => done
unlock 2m+2p 1p => 0
advise 2m 1p dontfork => 0
advise 2m+1p 1p wipeonfork => 0
advise 2m+2p 1p guard-install => 0
fork => 1
switch 1 => 0
read 1 2m => maperr 0p
read 1 2m+1p => done 00
read 1 2m+2p => maperr 2p
sync 2m+1p 3p invalidate => 0
)",
         "0: 0p-4p rw-p anonymous\n1: 1p-4p rw-p anonymous\n"});
}

TEST(Reference, Stacks) {
  check({"grow to where they are touched", R"(
map 2m+8p 1p rw- private,fixed,growsdown anonymous 0 => 8p
write 8 2m+5p-4 0 => done
read 8 2m+5p-4 => done f5f5f5f5f5f5f5f5
protect 2m+4p 1p r-- => 0
read 1 2m => done 00
)",
         "0: 0p-5p r--p anonymous\n0: 5p-9p rw-p anonymous\n"});
  check({"keep their distance from what can be accessed", R"(
map 2m+100p 1p rw- private,fixed,growsdown anonymous 0 => 100p
map 2m 1p r-- private,fixed anonymous 0 => 0p
write 1 2m+99p 0 => maperr 99p
protect 2m 1p --- => 0
kernel-write 4 2m+99p-2 0 => 4
write 1 2m+1p 0 => done
write 1 2m 0 => accerr 0p
)",
         "0: 0p-1p ---p anonymous\n0: 1p-101p rw-p anonymous\n"});
  check({"not below the lowest address, nor beyond the limit", R"(
map low+4p 1p rw- private,fixed,growsdown anonymous 0 => 81920
read 1 low => done 00
read 1 low-1 => maperr 0xffff
map 512g 1p rw- private,fixed,growsdown anonymous 0 => 35184372088832
read 1 low+100p => maperr 0x74000
)"});
}

TEST(Reference, Fetch) {
  check({"by what it finds", R"(
map 2m 2p rwx private,fixed anonymous 0 => 0p
fetch 2m => kernel 0x0
write 1 2m 0 => done
fetch 2m => done
write 2 2m+1p-1 1 => done
fetch 2m+1p-2 => done
protect 2m+1p 1p rw- => 0
fetch 2m+1p-1 => done
write 1 2m+1p-1 2 => done
fill 2 2m+1p-3 2 => done
fetch 2m+1p-4 => done
advise 2m 1p dontneed => 0
fetch 2m+1p-1 => accerr 1p
unmap 2m+1p 1p => 0
fetch 2m+1p-1 => maperr 1p
)"});
}

TEST(Reference, Strings) {
  check({"stop where they fault, with what was done", R"(
map 2m 1p rw- private,fixed anonymous 0 => 0p
write 16 2m 4 => done
copy 16 2m 2m+1p-4 => maperr 1p
copy 16 2m+1p-4 2m+32 => maperr 1p
fill 8 2m+1p-3 0 => maperr 1p
read 4 2m+1p-4 => done f9f5f5f5
copy 8 2m+1p-4 2m+1p-8 => maperr 1p
read 8 2m+1p-8 => done f9f5f5f5f9f5f5f5
fill 1 2m+64 3 => done
copy 4 2m+64 2m+65 => done
read 8 2m+64 => done fcfcfcfcfc000000
modify 4 2m+62 => done
read 8 2m+61 => done 00fc0000fcfcfcfc
)"});
}

TEST(Reference, KernelAccesses) {
  check({"count what was moved", R"(
map 2m 1p rw- private,fixed anonymous 0 => 0p
kernel-write 20 2m+1p-18 4 => 18
kernel-read 20 2m+1p-18 => 18
kernel-read 1 2m+1p => -14
kernel-read 4 noncanonical => -14
kernel-write 4 kernel 0 => -14
kernel-read 4 null-2 => -14
map top-1p 1p r-- private,fixed anonymous 0 => 0x7fffffffe000
kernel-read 4 top-4 => 4
kernel-read 4 top-3 => -14
kernel-write 4 top-4 0 => -14
)"});
}

TEST(Reference, DoesNotFollowEveryOperation) {
  check({"page tables", R"(
read 1 2m => maperr 0p
flip-control wp => not judged
)"});
  check({"calls of the vsyscall page", "fetch vsyscall => not judged\n"});
}

}  // namespace
}  // namespace faultline::vmm::fuzz
