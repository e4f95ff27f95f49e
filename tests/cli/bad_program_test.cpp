// Programs that cannot be run: one clear line, and the status a shell would give.
#include <sys/stat.h>

#include <algorithm>
#include <functional>

#include "tests/cli/cli.hpp"
#include "tests/cli/elf_bytes.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

constexpr int kCannotExecute = 126, kNotFound = 127;

class BadProgramTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = why_no_guest(); !why.empty()) GTEST_SKIP() << why;
  }

  // A file with these bytes that may be executed; returns its path.
  std::string file(const std::string& name, const std::string& bytes, mode_t mode = 0755) {
    folder_.write(name, bytes);
    ::chmod(folder_.path(name).c_str(), mode);
    return folder_.path(name);
  }

  void expect_refused(const std::string& program, int status) {
    const auto result = faultline({"run", "--", program});
    expect_one_line(result);
    EXPECT_EQ(result.status, status) << result.err;
  }

  ScratchFolder folder_;
};

TEST_F(BadProgramTest, TheUnspoiltProgramRuns) {
  const auto result = faultline({"run", "--", file("good", ElfBytes().str())});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
}

TEST_F(BadProgramTest, NotThere) {
  expect_refused(folder_.path("missing"), kNotFound);
  expect_refused(folder_.path("missing/deeper"), kNotFound);
  expect_refused(file("file", "x") + "/below", kNotFound);
  expect_refused("no-such-command-anywhere", kNotFound);
  expect_refused("", kNotFound);
}

TEST_F(BadProgramTest, NotExecutable) {
  expect_refused(folder_.path(), kCannotExecute);
  expect_refused("/dev/null", kCannotExecute);
  expect_refused(file("no-x", ElfBytes().str(), 0644), kCannotExecute);
}

TEST_F(BadProgramTest, NotAnElfFile) {
  expect_refused(file("empty", ""), kCannotExecute);
  expect_refused(file("text", "hello, world\n"), kCannotExecute);
  expect_refused(file("script", "#!/bin/sh\necho hello\n"), kCannotExecute);
  expect_refused(file("zeroes", std::string(8192, '\0')), kCannotExecute);
}

TEST_F(BadProgramTest, DynamicallyLinked) { expect_refused(FAULTLINE_CLI, kCannotExecute); }

TEST_F(BadProgramTest, CutShortAtEveryByteOfItsHeaders) {
  for (std::size_t bytes = 0; bytes < ElfBytes::headers_size(); ++bytes) {
    SCOPED_TRACE(bytes);
    expect_refused(file("short", ElfBytes().first(bytes)), kCannotExecute);
    if (HasFailure()) break;
  }
}

struct Spoilt {
  const char* name;
  std::function<void(ElfBytes&)> spoil;
};

class SpoiltElfTest : public BadProgramTest, public testing::WithParamInterface<Spoilt> {};

TEST_P(SpoiltElfTest, IsRefused) {
  ElfBytes elf;
  GetParam().spoil(elf);
  expect_refused(file("spoilt", elf.str()), kCannotExecute);
}

std::string spoilt_name(const testing::TestParamInfo<Spoilt>& info) { return info.param.name; }

template <class Edit>
Spoilt header(const char* name, Edit edit) {
  return {name, [edit](ElfBytes& elf) { elf.header(edit); }};
}

template <class Edit>
Spoilt segment(const char* name, std::size_t index, Edit edit) {
  return {name, [=](ElfBytes& elf) { elf.segment(index, edit); }};
}

INSTANTIATE_TEST_SUITE_P(
    Headers, SpoiltElfTest,
    testing::Values(header("magic", [](Elf64_Ehdr& h) { h.e_ident[1] = 'X'; }),
                    header("bits_32", [](Elf64_Ehdr& h) { h.e_ident[EI_CLASS] = ELFCLASS32; }),
                    header("big_endian", [](Elf64_Ehdr& h) { h.e_ident[EI_DATA] = ELFDATA2MSB; }),
                    header("other_machine", [](Elf64_Ehdr& h) { h.e_machine = EM_AARCH64; }),
                    header("relocatable", [](Elf64_Ehdr& h) { h.e_type = ET_REL; }),
                    header("core_file", [](Elf64_Ehdr& h) { h.e_type = ET_CORE; }),
                    header("no_segments", [](Elf64_Ehdr& h) { h.e_phnum = 0; }),
                    header("segments_beyond_the_file", [](Elf64_Ehdr& h) { h.e_phoff = 0x10000; }),
                    header("segments_offset_wraps", [](Elf64_Ehdr& h) { h.e_phoff = ~0ull - 8; }),
                    header("segment_entry_size", [](Elf64_Ehdr& h) { h.e_phentsize = 8; }),
                    header("too_many_segments", [](Elf64_Ehdr& h) { h.e_phnum = 0xffff; }),
                    header("entry_0", [](Elf64_Ehdr& h) { h.e_entry = 0; }),
                    header("entry_outside_any_segment", [](Elf64_Ehdr& h) { h.e_entry = 0x7fff00000000; }),
                    header("entry_in_the_kernel_half", [](Elf64_Ehdr& h) { h.e_entry = 0xffffffff80000000; })),
    spoilt_name);

INSTANTIATE_TEST_SUITE_P(
    Segments, SpoiltElfTest,
    testing::Values(segment("dynamic", 1, [](Elf64_Phdr& p) { p.p_type = PT_INTERP; }),
                    segment("file_part_larger_than_memory_part", 1, [](Elf64_Phdr& p) { p.p_memsz = p.p_filesz - 1; }),
                    segment("beyond_the_file", 1, [](Elf64_Phdr& p) { p.p_offset = 0x10800; }),
                    segment("offset_wraps", 1, [](Elf64_Phdr& p) { p.p_offset = ~0ull - 0x7ff; }),
                    segment("size_wraps", 1, [](Elf64_Phdr& p) { p.p_memsz = ~0ull - 0x1000; }),
                    segment("file_size_wraps", 1, [](Elf64_Phdr& p) { p.p_filesz = p.p_memsz = ~0ull; }),
                    segment("in_the_kernel_half", 1, [](Elf64_Phdr& p) { p.p_vaddr = 0xffffffff80000800; }),
                    segment("across_the_end_of_user_memory", 1, [](Elf64_Phdr& p) { p.p_vaddr = 0x7fffffffe800; }),
                    segment("non_canonical", 1, [](Elf64_Phdr& p) { p.p_vaddr = 0x4000000000000800; }),
                    segment("address_and_offset_disagree", 1, [](Elf64_Phdr& p) { p.p_vaddr += 0x10; }),
                    segment("absurdly_large", 1, [](Elf64_Phdr& p) { p.p_memsz = 1ull << 46; }),
                    segment("overlapping", 1, [](Elf64_Phdr& p) { p.p_vaddr = kElfBase + 0x800; })),
    spoilt_name);

}  // namespace
}  // namespace faultline::test
