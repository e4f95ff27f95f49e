#include "vmm/linux_abi/script.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/host/handles.hpp"

namespace faultline::test {
namespace {

using vmm::FileDescriptor;
using vmm::linux_abi::read_script_line;
using vmm::linux_abi::ScriptLine;

auto line_of(const std::string& text) {
  const FileDescriptor fd(::memfd_create("script", MFD_CLOEXEC));
  EXPECT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  return read_script_line(fd.get());
}

void expect(const std::string& text, const std::string& interpreter, std::optional<std::string> argument) {
  const auto line = line_of(text);
  ASSERT_TRUE(line && *line) << text;
  EXPECT_EQ((*line)->interpreter, interpreter) << text;
  EXPECT_EQ((*line)->argument, argument) << text;
}

TEST(Script, InterpreterAndOneArgument) {
  expect("#!/bin/sh\necho", "/bin/sh", std::nullopt);
  expect("#! \t/bin/sh  \n", "/bin/sh", std::nullopt);
  expect("#!/usr/bin/env sh -e \t\n", "/usr/bin/env", "sh -e");
  expect("#!/bin/sh", "/bin/sh", std::nullopt);
  expect("#!interpreter\t-x\n", "interpreter", "-x");
}

TEST(Script, OthersAreNone) {
  for (const std::string text : {"", "#", "\177ELF", " #!/bin/sh\n", "echo hello\n"}) {
    const auto line = line_of(text);
    ASSERT_TRUE(line) << text;
    EXPECT_FALSE(*line) << text;
  }
}

TEST(Script, ALineWithoutAnInterpreterIsNoProgram) {
  for (const std::string& text :
       {std::string("#!"), std::string("#! \t\n"), std::string("#!\n/bin/sh"), "#!" + std::string(300, 'x') + "\n"}) {
    const auto line = line_of(text);
    ASSERT_FALSE(line) << text;
    EXPECT_EQ(line.error(), Errno(ENOEXEC)) << text;
  }
}

TEST(Script, AnArgumentMayBeCutOff) {
  const auto line = line_of("#!/bin/sh " + std::string(400, 'x') + "\n");
  ASSERT_TRUE(line && *line);
  EXPECT_EQ((*line)->argument, std::string(256 - 10, 'x'));
}

}  // namespace
}  // namespace faultline::test
