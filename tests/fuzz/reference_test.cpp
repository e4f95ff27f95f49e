// What the reference makes of operations on address spaces, rule by rule.
#include "tests/fuzz/reference_cases.hpp"

namespace faultline::vmm::fuzz {
namespace {

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

TEST(Reference, DoesNotFollowEveryOperation) {
  check({"page tables", R"(
read 1 2m => maperr 0p
flip-control wp => not judged
)"});
  check({"calls of the vsyscall page", "fetch vsyscall => not judged\n"});
}

}  // namespace
}  // namespace faultline::vmm::fuzz
