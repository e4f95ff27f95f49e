// A campaign's folder, and the damage that may be there.
#include "vmm/fuzz/campaign/directory.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include <filesystem>

#include "tests/fuzz/fake_judge.hpp"
#include "tests/support/scratch_folder.hpp"
#include "vmm/fuzz/binary.hpp"
#include "vmm/fuzz/campaign/running_program.hpp"
#include "vmm/fuzz/campaign/statistics.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::vmm::fuzz {
namespace {

using test::ScratchFolder;
using testing::HasSubstr;
using testing::StartsWith;

const Program kProgram{{map_at({0, 0}, 4096), read_at({0, 8})}};

std::string bytes_of(const Program& program) {
  const auto bytes = to_binary(program);
  return std::string(as_text(bytes));
}

// What open() says of a folder in which `name` holds `bytes`.
std::string complaint(const std::string& name, const std::string& bytes) {
  const ScratchFolder folder;
  EXPECT_TRUE(CampaignDirectory::open(folder.path()));
  folder.write(name, bytes);
  const auto opened = CampaignDirectory::open(folder.path());
  EXPECT_FALSE(opened) << name << ": " << bytes;
  if (opened) return "";
  EXPECT_THAT(opened.error().message, StartsWith(folder.path(name) + ":"));
  EXPECT_EQ(std::ranges::count(opened.error().message, '\n'), 0);
  return opened.error().message.substr(folder.path().size() + 1);
}

TEST(CampaignDirectory, IsMadeWhereThereIsNothing) {
  const ScratchFolder folder;
  ASSERT_TRUE(CampaignDirectory::open(folder.path("new")));
  EXPECT_EQ(folder.contents().at("new/version"), "faultline-fuzz-campaign 1\n");
  ASSERT_TRUE(CampaignDirectory::open(folder.path("new"))) << "and found again";
}

TEST(CampaignDirectory, AFolderOfSomethingElseIsRefused) {
  const ScratchFolder folder;
  folder.write("photo.jpg", "a cat");
  const auto opened = CampaignDirectory::open(folder.path());
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("/version: byte 0: "));
  EXPECT_EQ(folder.contents().size(), 1U) << "nothing was put there";
  EXPECT_FALSE(CampaignDirectory::open(folder.path("photo.jpg")));
  EXPECT_FALSE(CampaignDirectory::open(folder.path("no/such/place")));
}

TEST(CampaignDirectory, DamageIsNamedWithItsFileAndByte) {
  EXPECT_THAT(complaint("version", "faultline-fuzz-campaign 2\n"), StartsWith("version: byte 24: "));
  EXPECT_THAT(complaint("version", ""), StartsWith("version: byte 0: "));
  const std::string whole = bytes_of(kProgram);
  EXPECT_THAT(complaint("corpus/cut", whole.substr(0, whole.size() - 1)), HasSubstr("corpus/cut: byte "));
  EXPECT_THAT(complaint("corpus/text", "faultline-fuzz 1\nmap nowhere\n"), StartsWith("corpus/text:2:"));
  EXPECT_THAT(complaint("corpus/large", std::string(1 << 20, '\n')), StartsWith("corpus/large: byte 262144: "));
  EXPECT_THAT(complaint("coverage", "FLCOVER1"), StartsWith("coverage: byte 0: "));
  EXPECT_THAT(complaint("stats.json", "{\"format\": 1, }"), StartsWith("stats.json: byte 14: "));
  EXPECT_THAT(complaint("stats.json", "[]"), StartsWith("stats.json: byte 0: "));
}

TEST(CampaignDirectory, WhatIsNoFileIsRefusedWithoutBeingOpened) {
  const ScratchFolder folder;
  ASSERT_TRUE(CampaignDirectory::open(folder.path()));
  const auto refused = [&](const std::string& name) {
    const auto opened = CampaignDirectory::open(folder.path());
    std::filesystem::remove_all(folder.path(name));
    ASSERT_FALSE(opened) << name;
    EXPECT_THAT(opened.error().message, StartsWith(folder.path(name) + ": byte 0: "));
  };
  ASSERT_EQ(::mkfifo(folder.path("corpus/pipe").c_str(), 0600), 0);
  refused("corpus/pipe");
  ASSERT_EQ(::symlink("/dev/zero", folder.path("corpus/zeros").c_str()), 0);
  refused("corpus/zeros");
  std::filesystem::create_directory(folder.path("corpus/folder"));
  refused("corpus/folder");
  std::filesystem::remove_all(folder.path("findings"));
  ASSERT_EQ(::symlink("/tmp", folder.path("findings").c_str()), 0);
  refused("findings");
}

TEST(CampaignDirectory, ProgramsOfOthersAreHandedOverOnce) {
  const ScratchFolder folder;
  auto mine = CampaignDirectory::open(folder.path()), theirs = CampaignDirectory::open(folder.path());
  ASSERT_TRUE(mine && theirs);
  constexpr auto kOver = CampaignDirectory::Damaged::kPassedOver;
  EXPECT_TRUE(*mine->keep(kProgram));
  EXPECT_FALSE(*mine->keep(kProgram)) << "written or not";
  ASSERT_TRUE(mine->finish());
  EXPECT_FALSE(*theirs->keep(kProgram)) << "it is there";
  folder.write("corpus/by-hand.txt", to_text(Program{{read_at({1, 0})}}));
  const auto programs = mine->new_programs(kOver);
  ASSERT_TRUE(programs);
  ASSERT_EQ(programs->size(), 1U);
  EXPECT_EQ(programs->front().name, "by-hand.txt");
  EXPECT_EQ(mine->new_programs(kOver)->size(), 0U);
  folder.write("corpus/broken", "rubbish");
  EXPECT_EQ(mine->new_programs(kOver)->size(), 0U) << "while it runs, damage is passed over";
  EXPECT_EQ(folder.contents().at("corpus/" + program_name(kProgram)), bytes_of(kProgram));
}

TEST(CampaignDirectory, FilesAreWrittenBehindItsBackAndAllOfThem) {
  const ScratchFolder folder;
  constexpr unsigned kFiles = 50;
  {
    FileWriter writer(folder.path());
    for (unsigned i = 0; i < kFiles; ++i) EXPECT_TRUE(writer.write(std::to_string(i), std::vector<std::byte>(i)));
    ASSERT_TRUE(writer.finish());
    EXPECT_EQ(folder.contents().size(), kFiles);
    EXPECT_TRUE(writer.write("last", std::vector<std::byte>(3)));
  }
  EXPECT_EQ(folder.contents().at("last").size(), 3U) << "nobody waited for it";
  EXPECT_EQ(folder.contents().size(), kFiles + 1) << "and no temporary file is left";
}

TEST(CampaignDirectory, AFileThatCannotBeWrittenIsToldLater) {
  const ScratchFolder folder;
  FileWriter writer(folder.path("no-such-folder"));
  EXPECT_TRUE(writer.write("a", {}));
  const auto done = writer.finish();
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("no-such-folder"));
  EXPECT_FALSE(writer.write("b", {}));
}

TEST(CampaignDirectory, LeftoversOfTheDeadAreCleared) {
  const ScratchFolder folder;
  ASSERT_TRUE(CampaignDirectory::open(folder.path()));
  const std::string alive = "corpus/.tmp-" + std::to_string(::getpid()) + "-0";
  folder.write("corpus/.tmp-999999999-4", "half a pro");
  folder.write(".tmp-999999999-5", "half of somethi");
  folder.write(alive, "half a program");
  auto opened = CampaignDirectory::open(folder.path());
  ASSERT_TRUE(opened);
  const auto left = folder.contents();
  EXPECT_FALSE(left.contains("corpus/.tmp-999999999-4"));
  EXPECT_FALSE(left.contains(".tmp-999999999-5"));
  EXPECT_TRUE(left.contains(alive));
  EXPECT_EQ(opened->new_programs(CampaignDirectory::Damaged::kRefused)->size(), 0U);
}

TEST(CampaignDirectory, TheProgramOfADeadJobIsTakenOver) {
  const ScratchFolder folder;
  auto directory = CampaignDirectory::open(folder.path());
  ASSERT_TRUE(directory);
  const pid_t child = ::fork();
  if (child == 0) {
    auto running = RunningProgram::create(directory->running(), 0);
    running->set(kProgram);
    ::kill(::getpid(), SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
  auto mine = RunningProgram::create(directory->running(), 1);
  ASSERT_TRUE(mine);
  mine->set(Program{{read_at({1, 0})}});
  folder.write("running/rubbish", "rubbish");
  EXPECT_THAT(directory->take_left_over(), testing::ElementsAre(kProgram));
  ASSERT_EQ(mine->entries().size(), 1U);
  EXPECT_EQ(mine->entries().front().program, (Program{{read_at({1, 0})}}));
  EXPECT_EQ(directory->take_left_over().size(), 0U);
}

TEST(CampaignDirectory, StateIsChangedUnderALock) {
  const ScratchFolder folder;
  auto directory = CampaignDirectory::open(folder.path());
  ASSERT_TRUE(directory);
  constexpr int kChildren = 4, kTurns = 20;
  for (int c = 0; c < kChildren; ++c) {
    if (::fork() != 0) continue;
    for (int i = 0; i < kTurns; ++i) {
      static_cast<void>(directory->update({}, [&](CampaignDirectory::State& s) {
        s.coverage.add(std::vector{static_cast<std::uint32_t>(c * kTurns + i)});
        Figures one;
        one.counts[0] = 1;
        s.statistics = *add_statistics(s.statistics, "", one, {}, 0, 0, s.coverage);
        return Result<void>();
      }));
    }
    ::_exit(0);
  }
  for (int c = 0; c < kChildren; ++c) ::wait(nullptr);
  const auto state = directory->update({}, [](CampaignDirectory::State&) { return Result<void>(); });
  ASSERT_TRUE(state);
  EXPECT_TRUE(state->counted);
  EXPECT_EQ(state->coverage.features(), static_cast<std::size_t>(kChildren * kTurns));
  EXPECT_THAT(state->statistics, HasSubstr("\"programs\": 80"));
}

}  // namespace
}  // namespace faultline::vmm::fuzz
