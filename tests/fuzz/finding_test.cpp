#include "vmm/fuzz/finding/finding.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/fuzz/fake_judge.hpp"
#include "vmm/fuzz/campaign/files.hpp"
#include "vmm/fuzz/finding/reproducer.hpp"
#include "vmm/fuzz/generate.hpp"
#include "vmm/fuzz/known.hpp"
#include "vmm/fuzz/shrink.hpp"
#include "vmm/fuzz/signature.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::vmm::fuzz {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}
void spill(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

class FindingTest : public ::testing::Test {
 protected:
  FindingTest() {
    std::string name = (fs::temp_directory_path() / "faultline-finding-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    f_.shrunk = Program{{map_at({0, 0}, 4096), write_at({0, 0}, 4), read_at({0, 0}, 4)}};
    f_.program = f_.shrunk;
    f_.program.operations.push_back({Op::kFork, {}});
    f_.disagreement = {"reference", "model", 1, "outcome", "done", "SIGSEGV SEGV_MAPERR at 0x200000000000"};
    f_.signature = signature(f_.shrunk, f_.disagreement, {});
    f_.seed = 0xffff'ffff'ffff'ffff;
    f_.version = "0.1.0";
    f_.kernel = system_name();
    f_.judges = {"reference", "model"};
    f_.traces = {all_done(f_.shrunk), all_done(f_.shrunk)};
    f_.traces[0].judge = "reference";
    f_.traces[1].judge = "model";
    f_.traces[1].steps[1].end = StepEnd::kSignal;
    f_.traces[1].steps[1].signal = SIGSEGV;
    f_.traces[1].steps[1].code = 1;
  }
  ~FindingTest() override { fs::remove_all(root_); }

  std::string write() {
    const auto path = write_finding(root_, f_);
    EXPECT_TRUE(path) << path.error().message;
    return path.value_or("");
  }
  static std::string error_of(const std::string& folder) {
    const auto read = read_finding(folder);
    return read ? "" : read.error().message;
  }

  std::string root_;
  Finding f_;
};

TEST_F(FindingTest, WhatIsWrittenIsRead) {
  const std::string path = write();
  EXPECT_EQ(path, root_ + "/model+reference.outcome.write.SIGSEGV-SEGV_MAPERR=done");
  const auto read = read_finding(path);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->program, f_.program);
  EXPECT_EQ(read->shrunk, f_.shrunk);
  EXPECT_EQ(read->disagreement, f_.disagreement);
  EXPECT_EQ(read->signature, f_.signature);
  EXPECT_EQ(read->seed, f_.seed);
  EXPECT_EQ(read->judges, f_.judges);
  EXPECT_EQ(std::tie(read->version, read->kernel, read->backend), std::tie(f_.version, f_.kernel, f_.backend));
}

TEST_F(FindingTest, TheFirstOfASignatureStays) {
  const std::string path = write();
  f_.seed = 5;
  EXPECT_EQ(write(), path);
  EXPECT_EQ(read_finding(path)->seed, 0xffff'ffff'ffff'ffff);
  EXPECT_EQ(std::distance(fs::directory_iterator(root_), fs::directory_iterator()), 1) << "nothing else is left";
}

TEST_F(FindingTest, ItExplainsItself) {
  const std::string path = write();
  const std::string readme = slurp(path + "/README.md");
  EXPECT_THAT(readme, HasSubstr("reference and model disagree at step 1 (write 4 512g 1) in outcome: done / SIGSEGV"));
  EXPECT_THAT(readme, HasSubstr("4 operations, shrunk to 3"));
  EXPECT_THAT(readme, HasSubstr("    faultline fuzz replay .\n"));
  EXPECT_THAT(readme, HasSubstr("  a store; 512g is 0x200000000000\n"));
  EXPECT_THAT(readme, Not(HasSubstr("faults.txt"))) << "there are none";
  EXPECT_THAT(readme, HasSubstr(f_.kernel));
  const std::string traces = slurp(path + "/traces.txt");
  EXPECT_THAT(traces,
              HasSubstr(">   1  write 4 512g 1\n*      reference  done\n*      model      SIGSEGV SEGV_MAPERR"));
  EXPECT_THAT(traces, HasSubstr("    2  read 4 512g\n       all        done\n"));
}

TEST_F(FindingTest, ItHasTheFaultRecords) {
  Operation map = map_at({0, 0}, 4096);
  map.operands[3] = kMapFixed | kMapPopulate;
  f_.shrunk = Program{{map, read_at({0, 8}, 4), write_at({0, 4096}, 4)}};
  const auto faults = fault_records(f_.shrunk);
  ASSERT_TRUE(faults) << faults.error().message;
  ASSERT_EQ(faults->size(), 2U);
  EXPECT_EQ((*faults)[0].step, 0U) << "populated by the call";
  EXPECT_EQ((*faults)[1].step, 2U);
  f_.faults = *faults;
  f_.disagreement.step = 2;
  const std::string path = write();
  const std::string text = slurp(path + "/faults.txt");
  EXPECT_THAT(
      text, HasSubstr("\nstep 2  write 4 512g+1p 1\nfault #2 on model vcpu 0, process 0\n  address   0x200000001000"));
  EXPECT_THAT(text, HasSubstr("SIGSEGV (11) SEGV_MAPERR at 0x200000001000"));
  EXPECT_THAT(text, Not(HasSubstr("  time  ")));
  const std::string json = slurp(path + "/faults.jsonl");
  EXPECT_EQ(std::count(json.begin(), json.end(), '\n'), 2);
  EXPECT_THAT(json, HasSubstr("\"text\":\"write 4 512g+1p 1\""));
  const std::string readme = slurp(path + "/README.md");
  EXPECT_THAT(readme, HasSubstr("What `mmu` decides there"));
  EXPECT_THAT(readme, HasSubstr("    fault #2 on model"));
  EXPECT_THAT(readme, Not(HasSubstr("fault #1 on model"))) << "of another step";
  EXPECT_THAT(readme, Not(HasSubstr("It shows how steps end")));
  f_.disagreement.field = f_.signature = "counts";
  EXPECT_THAT(slurp(write() + "/README.md"),
              HasSubstr("It shows how steps end, not `counts`: that is in `traces.txt`."));
}

TEST_F(FindingTest, WhatAKilledWriterLeavesIsRemoved) {
  const fs::path dead = fs::path(root_) / ".tmp-999999999-finding-0",
                 own = dead.parent_path() / fmt::format(".tmp-{}-x", ::getpid());
  fs::create_directories(dead);
  fs::create_directories(own);
  spill(dead / "program.txt", "half of it");
  remove_leftovers(root_);
  EXPECT_FALSE(fs::exists(dead));
  EXPECT_TRUE(fs::exists(own)) << "its writer is alive";
}

TEST_F(FindingTest, WhatCannotBeWrittenIsAnError) {
  const auto nowhere = write_finding(root_ + "/nowhere", f_);
  ASSERT_FALSE(nowhere);
  EXPECT_THAT(nowhere.error().message, HasSubstr("nowhere"));
}

TEST_F(FindingTest, WhatIsMissingIsNamed) {
  for (const char* name : {"finding.json", "program.bin", "program.txt", "shrunk.txt"}) {
    const std::string path = write();
    fs::remove(fs::path(path) / name);
    EXPECT_THAT(error_of(path), HasSubstr(path + "/" + name + ": ")) << name;
    fs::remove_all(path);
  }
  EXPECT_THAT(error_of(root_ + "/none"), HasSubstr("/none/finding.json"));
}

TEST_F(FindingTest, TruncatedAndChangedFilesAreRefusedWithTheirPlace) {
  const std::string path = write();
  const std::string json = slurp(path + "/finding.json"), binary = slurp(path + "/program.bin");
  for (std::size_t keep = 0; keep + 2 < json.size(); keep += 7) {
    spill(path + "/finding.json", json.substr(0, keep));
    EXPECT_THAT(error_of(path), HasSubstr("/finding.json: byte ")) << keep;
  }
  spill(path + "/finding.json", json);
  for (std::size_t keep = 0; keep < binary.size(); ++keep) {
    spill(path + "/program.bin", binary.substr(0, keep));
    EXPECT_THAT(error_of(path), HasSubstr("/program.bin: byte ")) << keep;
  }
  spill(path + "/program.bin", binary);
  spill(path + "/shrunk.txt", "faultline-fuzz 1\nwhatever\n");
  EXPECT_THAT(error_of(path), HasSubstr("/shrunk.txt:2:1: "));
  spill(path + "/shrunk.txt", "faultline-fuzz 1\n");
  EXPECT_THAT(error_of(path), HasSubstr("\"step\" is 1, and shrunk.txt has 0"));
  spill(path + "/shrunk.txt", to_text(f_.shrunk));
  spill(path + "/program.txt", to_text(f_.shrunk));
  EXPECT_THAT(error_of(path), HasSubstr("/program.txt: byte 0: this is not the program of program.bin"));
}

TEST_F(FindingTest, HostileJsonIsRefused) {
  const std::string path = write();
  const std::string json = slurp(path + "/finding.json");
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = json;
    text.replace(text.find(from), from.size(), to);
    spill(path + "/finding.json", text);
    return error_of(path);
  };
  EXPECT_THAT(with("\"format\": 1", "\"format\": 2"), HasSubstr("\"format\" is not 1"));
  EXPECT_THAT(with("\"seed\": 18446744073709551615", "\"seed\": -1"), HasSubstr("\"seed\" is no number"));
  EXPECT_THAT(with("\"step\": 1", "\"step\": 99999"), HasSubstr("\"step\" is beyond every program"));
  EXPECT_THAT(with("\"seed\": 18446744073709551615", "\"seed\": 1e999"), HasSubstr("a number is out of range"));
  EXPECT_THAT(with("\"field\"", "\"feld\""), HasSubstr("unknown key \"feld\""));
  EXPECT_THAT(with("\"seed\"", "\"sead\""), HasSubstr("unknown key \"sead\""));
  EXPECT_THAT(with("\"0.1.0\"", "[]"), HasSubstr("\"version\" is no text"));
  spill(path + "/finding.json", "[]");
  EXPECT_THAT(error_of(path), HasSubstr("is no object"));
  spill(path + "/finding.json", std::string(100'000, '['));
  EXPECT_THAT(error_of(path), HasSubstr("byte 100001: is no JSON"));
  spill(path + "/finding.json", std::string(300'000, ' '));
  EXPECT_THAT(error_of(path), HasSubstr("/finding.json: byte "));
}

TEST_F(FindingTest, PipesAndLinksAreNotFollowed) {
  const std::string path = write(), json = path + "/finding.json";
  fs::remove(json);
  ASSERT_EQ(::mkfifo(json.c_str(), 0600), 0);
  EXPECT_THAT(error_of(path), HasSubstr("finding.json: ")) << "and it comes back at all";
  fs::remove(json);
  fs::create_symlink("/etc/passwd", json);
  EXPECT_THAT(error_of(path), HasSubstr("symbolic link"));
}

// ---- Replay ----

std::vector<std::unique_ptr<Judge>> judges(std::int64_t second_result) {
  std::vector<std::unique_ptr<Judge>> list;
  list.push_back(std::make_unique<FakeJudge>("a", kReference, [](const Program& p) { return all_done(p); }));
  list.push_back(std::make_unique<FakeJudge>("b", kMachine, [second_result](const Program& p) {
    Trace t = all_done(p);
    t.steps[0].result = p.operations.size() > 3 ? 7 : second_result;
    return t;
  }));
  return list;
}

TEST_F(FindingTest, AReplaySaysWhetherItIsTheSame) {
  f_.disagreement = {"a", "b", 0, "outcome", "0", "-EINVAL"};
  const auto same = replay(f_, judges(-EINVAL));
  ASSERT_TRUE(same);
  EXPECT_TRUE(same->same);
  EXPECT_THAT(same->verdict, testing::StrEq("the same"));
  const auto other = replay(f_, judges(-ENOMEM));
  EXPECT_FALSE(other->same);
  EXPECT_THAT(other->verdict, testing::AllOf(testing::StartsWith("changed: "), HasSubstr("0 / -ENOMEM")));
  const auto gone = replay(f_, judges(0));
  EXPECT_FALSE(gone->same || gone->now);
  const auto rules = KnownDeviations::parse(R"({"format": 1, "rules": [{"id": "b-refuses", "judges": ["a", "b"],
    "field": "outcome", "op": "*", "values": ["0", "-EINVAL"], "reason": "so it is", "source": "a test"}]})",
                                            "rules");
  ASSERT_TRUE(rules) << rules.error().message;
  const auto known = replay(f_, judges(-EINVAL), &*rules);
  EXPECT_TRUE(known->same && known->known && known->now);
  EXPECT_EQ(known->verdict, "known by the rule b-refuses: so it is");
  EXPECT_FALSE(replay(f_, judges(-ENOMEM), &*rules)->known);
  EXPECT_THAT(gone->verdict, testing::StrEq("gone: they agree"));
}

TEST_F(FindingTest, AJudgeThatIsNotHereIsAnError) {
  f_.disagreement = {"a", "kvm-vmx", 0, "outcome", "0", "-EINVAL"};
  const auto missing = replay(f_, judges(0));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "the judge \"kvm-vmx\", which the finding is about, is not here");
}

TEST_F(FindingTest, RelationsAreReplayedByTheirName) {
  // One operation more, and b says something else.
  f_.disagreement = {"b", "b~sync-later", 0, "outcome", "0", "7"};
  const auto again = replay(f_, judges(0));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(again->same) << again->verdict;
  f_.disagreement.second = "b~nonsense";
  EXPECT_FALSE(replay(f_, judges(0)));
}

// A judge that loses a bit of what is loaded once something was rotated, in the midst of noise.
TEST_F(FindingTest, FromADifferenceToAFolderAndBack) {
  std::vector<std::unique_ptr<Judge>> list;
  list.push_back(make_reference());
  list.push_back(std::make_unique<FakeJudge>(
      "forgetful", kReference, [reference = std::shared_ptr<Judge>(make_reference())](const Program& p) {
        Trace t = *reference->run(p);
        bool rotated = false;
        for (std::size_t i = 0; i < t.steps.size(); ++i) {
          rotated |= p.operations[i].op == Op::kModify && t.steps[i].end == StepEnd::kDone;
          if (rotated && t.steps[i].byte_count == 8) t.steps[i].bytes[7] ^= 1;
        }
        return t;
      }));
  const auto differs = [&](const Program& p) {
    const auto d = compare(p, *list[0]->run(p), *list[1]->run(p));
    return d && d->field == "bytes" ? d : std::nullopt;
  };
  std::mt19937_64 random(3);
  GenerateOptions options;
  options.operations = 60;
  f_.program = generate(random, options);
  for (unsigned i = 0; i < 200 && !differs(f_.program); ++i) f_.program = generate(random, options);
  ASSERT_TRUE(differs(f_.program));
  f_.shrunk = shrink(f_.program, [&](const Program& p) { return differs(p).has_value(); });
  EXPECT_LE(f_.shrunk.operations.size(), 4U) << to_text(f_.shrunk);
  f_.disagreement = *differs(f_.shrunk);
  f_.signature = signature(f_.shrunk, f_.disagreement, {});
  EXPECT_THAT(f_.signature, HasSubstr("forgetful+reference.bytes."));
  f_.traces = {*list[0]->run(f_.shrunk), *list[1]->run(f_.shrunk)};
  const auto read = read_finding(write());
  ASSERT_TRUE(read) << read.error().message;
  const auto again = replay(*read, list);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(again->same) << again->verdict;
}

// ---- The reproducer, with the compiler that is here ----

std::vector<std::string> run_reproducer(const std::string& root, const Program& program) {
  spill(root + "/r.c", reproducer(program, "what it shows\nin two lines"));
  const std::string in = "cd " + root + " && ";
  const std::string build = in + "cc -std=c99 -Wall -Wextra -Werror -O1 -o r r.c 2>errors";
  EXPECT_EQ(std::system(build.c_str()), 0) << slurp(root + "/errors");
  EXPECT_EQ(std::system((in + "timeout 20 ./r >output 2>&1").c_str()), 0) << slurp(root + "/output");
  std::vector<std::string> lines;
  std::istringstream text(slurp(root + "/output"));
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

TEST_F(FindingTest, TheReproducerDoesTheSameOnLinux) {
  if (std::system("cc --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no C compiler here";
  const Address at{0, 0};
  Operation file = map_at({1, 0}, 0x4000, 1);
  file.operands[4] = static_cast<std::int64_t>(FileOperand::kDisk);
  file.operands[5] = 8;
  const Program p{{map_at(at, 0x1000, 7),                      // 0
                   write_at(at, 8, 5),                         // 1
                   {Op::kFork, {}},                            // 2
                   {Op::kModify, {4, pack(at)}},               // 3
                   {Op::kSwitch, {1}},                         // 4
                   read_at(at, 8),                             // 5
                   {Op::kExit, {}},                            // 6
                   read_at({0, 0xffc}, 8),                     // 7
                   {Op::kFetch, {pack(at)}},                   // 8
                   {Op::kFetch, {pack({0, 0x100})}},           // 9
                   {Op::kFetch, {pack({6, 0})}},               // 10
                   file,                                       // 11
                   read_at({1, 8}, 16),                        // 12
                   read_at({1, 0x1000}, 1),                    // 13
                   write_at({1, 0}, 1),                        // 14
                   {Op::kKernelRead, {16, pack({0, 0xff8})}},  // 15
                   {Op::kKernelWrite, {4, pack(at), 1}},       // 16
                   {Op::kLocked, {2, pack(at), 0}},            // 17
                   {Op::kFlipControl, {1}},                    // 18
                   {Op::kUnmap, {pack({0, 1}), 4096}},         // 19
                   {Op::kSwitch, {3}},                         // 20
                   {Op::kExit, {}}}};                          // 21
  ASSERT_EQ(illegal(p), std::nullopt);
  const std::vector<std::string> lines = run_reproducer(root_, p);
  ASSERT_EQ(lines.size(), p.operations.size()) << slurp(root_ + "/output");
  std::string pattern, file_bytes;
  for (unsigned i = 0; i < 8; ++i) pattern += fmt::format(" {:02x}", pattern_byte(5, i));
  for (unsigned i = 8; i < 24; ++i) file_bytes += fmt::format(" {:02x}", file_byte(FileOperand::kDisk, 8 * 4096 + i));
  const std::vector<std::string> ends{": 0x200000000000",
                                      ": done",
                                      ": 1",
                                      ": done",
                                      ": 0",
                                      ": done, bytes" + pattern,
                                      ": 0",
                                      ": SIGSEGV SEGV_MAPERR at 0x200000001000, error code 0x4",
                                      ": done",
                                      ": SIGSEGV SI_KERNEL at 0x0, error code 0x0",
                                      ": SIGSEGV SI_KERNEL at 0x0, error code 0x0",
                                      ": 0x210040000000",
                                      ": done, bytes" + file_bytes,
                                      ": SIGBUS BUS_ADRERR at 0x210040001000, error code 0x4",
                                      ": SIGSEGV SEGV_ACCERR at 0x210040000000, error code 0x7",
                                      ": 8",
                                      ": 4",
                                      fmt::format(": done, bytes {0:02x} {0:02x}", pattern_byte(1, 0)),
                                      ": left out: a program of Linux cannot do that",
                                      ": -EINVAL",
                                      ": -ESRCH",
                                      ": -EPERM"};
  for (std::size_t i = 0; i < ends.size(); ++i)
    EXPECT_EQ(lines[i], fmt::format("{:3}  {}{}", i, to_text(p.operations[i]), ends[i]));
}

}  // namespace
}  // namespace faultline::vmm::fuzz
