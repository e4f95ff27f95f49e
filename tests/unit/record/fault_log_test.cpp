// Nothing is lost silently: files, pipes, full disks, closed pipes, several threads.
#include "vmm/record/fault_log.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/unit/record/sample_records.hpp"

namespace faultline::vmm {
namespace {

using testing::HasSubstr;

struct FaultLogTest : testing::Test {
  FaultLogTest() {
    char name[] = "/tmp/faultline-log-XXXXXX";
    directory = ::mkdtemp(name);
  }
  ~FaultLogTest() override { std::filesystem::remove_all(directory); }
  [[nodiscard]] std::string path() const { return directory + "/faults"; }
  [[nodiscard]] std::string content() const {
    std::ifstream file(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  [[nodiscard]] std::vector<std::string> lines() const {
    std::istringstream stream(content());
    std::vector<std::string> out;
    for (std::string line; std::getline(stream, line);) out.push_back(line);
    return out;
  }
  std::string directory;
};

TEST_F(FaultLogTest, BuffersAndFlushesAtTheEnd) {
  {
    auto log = FaultLog::open(path(), {.format = LogFormat::kJsonLines});
    ASSERT_TRUE(log);
    (*log)->write(anonymous_write());
    EXPECT_EQ(content(), "");
    EXPECT_EQ((*log)->written(), 0U);
    (*log)->write(copy_on_write());
  }
  ASSERT_EQ(lines().size(), 2U);
  EXPECT_EQ(nlohmann::json::parse(lines()[1])["sequence"], 2);
}

TEST_F(FaultLogTest, WritesAtOnceWithoutABuffer) {
  auto log = FaultLog::open(path(), {.buffer_bytes = 0});
  (*log)->write(anonymous_write());
  EXPECT_THAT(content(), HasSubstr("fault #1"));
  EXPECT_EQ((*log)->written(), 1U);
}

TEST_F(FaultLogTest, AReportIsFlushedAndFitsTheFormat) {
  auto log = FaultLog::open(path(), {.format = LogFormat::kJsonLines});
  (*log)->write(anonymous_write());
  (*log)->write_report("BUG: something\nsecond line\n");
  ASSERT_EQ(lines().size(), 2U);
  EXPECT_EQ(nlohmann::json::parse(lines()[1])["report"], "BUG: something\nsecond line\n");
}

TEST_F(FaultLogTest, AnExistingFileIsReplaced) {
  std::ofstream(path()) << "old and much longer than what comes";
  FaultLog::open(path(), {}).value()->write_report("new\n");
  EXPECT_EQ(content(), "new\n");
}

TEST_F(FaultLogTest, SaysWhatCannotBeOpened) {
  auto log = FaultLog::open(directory + "/no/such/place", {});
  ASSERT_FALSE(log);
  EXPECT_THAT(log.error().message, HasSubstr("/no/such/place: No such file or directory"));
}

TEST_F(FaultLogTest, AFullDiskIsReportedOnceAndCounted) {
  std::vector<std::string> errors;
  auto log =
      FaultLog::open("/dev/full", {.format = LogFormat::kJsonLines, .buffer_bytes = 0, .on_error = [&](const Error& e) {
                                     errors.push_back(e.message);
                                   }});
  ASSERT_TRUE(log) << log.error().message;
  for (int n = 0; n < 5; ++n) (*log)->write(anonymous_write());
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_THAT(errors[0], HasSubstr("/dev/full: No space left on device"));
  EXPECT_FALSE((*log)->flush());
  const auto end = (*log)->close();
  ASSERT_FALSE(end);
  EXPECT_THAT(end.error().message, HasSubstr("5 of 5 records are lost"));
}

// RLIMIT_FSIZE stands in for a disk that fills up in the middle of a record.
TEST_F(FaultLogTest, ATornRecordIsCutOff) {
  fmt::memory_buffer one;
  append_json(one, anonymous_write());
  struct rlimit old {};
  ::getrlimit(RLIMIT_FSIZE, &old);
  struct rlimit small = old;
  small.rlim_cur = one.size() * 2 + one.size() / 2;
  auto* const handler = ::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &small);
  auto log = FaultLog::open(path(), {.format = LogFormat::kJsonLines});
  for (int n = 0; n < 4; ++n) (*log)->write(anonymous_write());
  const auto end = (*log)->close();
  ::setrlimit(RLIMIT_FSIZE, &old);
  ::signal(SIGXFSZ, handler);
  ASSERT_FALSE(end);
  EXPECT_THAT(end.error().message, HasSubstr("2 of 4 records are lost"));
  ASSERT_EQ(lines().size(), 2U);
  for (const std::string& line : lines()) EXPECT_TRUE(nlohmann::json::accept(line));
}

TEST_F(FaultLogTest, AClosedPipeIsAnErrorToo) {
  auto* const handler = ::signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  {
    auto log = FaultLog::on_descriptor(ends[1], "pipe", {});
    log->write(anonymous_write());
    const auto end = log->close();
    ASSERT_FALSE(end);
    EXPECT_THAT(end.error().message, HasSubstr("pipe: Broken pipe: 1 of 1"));
  }
  EXPECT_EQ(::close(ends[1]), 0) << "the descriptor stays the caller's";
  ::signal(SIGPIPE, handler);
}

TEST_F(FaultLogTest, WaitsForAPipeThatIsFullForNow) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_NONBLOCK), 0);
  std::size_t received = 0;
  std::jthread reader([&] {
    char chunk[4096];
    ::fcntl(ends[0], F_SETFL, 0);
    for (ssize_t n; (n = ::read(ends[0], chunk, sizeof chunk)) > 0;) received += static_cast<std::size_t>(n);
  });
  {
    auto log = FaultLog::on_descriptor(ends[1], "pipe", {});
    for (int n = 0; n < 400; ++n) log->write(anonymous_write());
    EXPECT_TRUE(log->close());
    EXPECT_EQ(log->written(), 400U);
  }
  ::close(ends[1]);
  reader.join();
  ::close(ends[0]);
  fmt::memory_buffer one;
  append_text(one, anonymous_write());
  EXPECT_EQ(received, 400 * one.size());
}

TEST_F(FaultLogTest, RecordsOfSeveralThreadsDoNotMix) {
  {
    auto log = FaultLog::open(path(), {.format = LogFormat::kJsonLines, .buffer_bytes = 1000});
    std::vector<std::jthread> threads;
    for (unsigned t = 0; t < 4; ++t)
      threads.emplace_back([&log] {
        for (int n = 0; n < 50; ++n) (*log)->write(anonymous_write());
      });
    threads.clear();
    EXPECT_TRUE((*log)->close());
    (*log)->write(anonymous_write());
    EXPECT_EQ((*log)->lost(), 1U);
  }
  EXPECT_EQ(lines().size(), 200U);
  for (const std::string& line : lines()) EXPECT_TRUE(nlohmann::json::accept(line));
}

}  // namespace
}  // namespace faultline::vmm
