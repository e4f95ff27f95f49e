#include "vmm/linux_abi/blocking_open.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>

#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

using vmm::FileDescriptor;
using vmm::linux_abi::BlockingOpen;

class BlockingOpenTest : public testing::Test {
 protected:
  BlockingOpenTest() { EXPECT_EQ(::mkfifo(path().c_str(), 0600), 0); }
  std::string path() const { return folder_.path() + "/pipe"; }
  std::shared_ptr<BlockingOpen> start(int flags) {
    return BlockingOpen::start(FileDescriptor(::open(path().c_str(), O_PATH | O_CLOEXEC)), flags);
  }
  static bool has_result(const BlockingOpen& open, int ms) {
    pollfd p{open.event_fd(), POLLIN, 0};
    return ::poll(&p, 1, ms) == 1;
  }

 private:
  ScratchFolder folder_;
};

TEST_F(BlockingOpenTest, TheEndsMeet) {
  const auto reader = start(O_RDONLY);
  ASSERT_TRUE(reader);
  EXPECT_FALSE(has_result(*reader, 20));
  EXPECT_FALSE(reader->take());
  const auto writer = start(O_WRONLY);
  ASSERT_TRUE(has_result(*reader, 10'000) && has_result(*writer, 10'000));
  auto in = reader->take(), out = writer->take();
  ASSERT_TRUE(in && *in && out && *out);
  EXPECT_EQ(::write((*out)->get(), "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(::read((*in)->get(), &byte, 1), 1);
}

TEST_F(BlockingOpenTest, GivingUpLeavesNoThreadAndNoEnd) {
  start(O_WRONLY).reset();
  // Nobody holds the other end: without waiting there is nobody to write to.
  const FileDescriptor writer(::open(path().c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  EXPECT_FALSE(writer);
  start(O_RDONLY).reset();
  const FileDescriptor again(::open(path().c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  EXPECT_FALSE(again);
}

}  // namespace
}  // namespace faultline::test
