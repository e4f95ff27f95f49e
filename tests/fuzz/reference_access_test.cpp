// What the reference makes of accesses: bytes, signals, ends of files, stacks.
#include "tests/fuzz/reference_cases.hpp"

namespace faultline::vmm::fuzz {
namespace {

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

}  // namespace
}  // namespace faultline::vmm::fuzz
