// A campaign's folder. Several processes may work in one, and any of them may be killed at any
// moment: files come by rename, and what is read, changed and written is under a lock that the
// kernel drops with its holder.
//
//   version         "faultline-fuzz-campaign 1"
//   corpus/         programs that showed something new, named by the hash of their binary form; whoever
//                   has programs of his own, in either form, may put them here
//   findings/       one folder a finding (finding/finding.hpp)
//   running/        the program that each job runs at the moment
//   coverage        what was met (coverage.hpp)
//   stats.json      figures of all sessions
//   lock            of coverage and stats.json
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "mmu/base/result.hpp"
#include "vmm/fuzz/campaign/file_writer.hpp"
#include "vmm/fuzz/campaign/files.hpp"
#include "vmm/fuzz/coverage.hpp"
#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {

// Of the binary form; the name of a program in a corpus.
[[nodiscard]] std::string program_name(const Program& program);

class CampaignDirectory {
 public:
  // Creates it where there is nothing, or an empty folder. Everything there is looked at: what is
  // damaged, or no campaign at all, is refused with its file and byte. Leftovers of the dead go.
  static Result<CampaignDirectory> open(const std::string& path);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string findings() const { return path_ + "/findings"; }
  [[nodiscard]] std::string running() const { return path_ + "/running"; }
  [[nodiscard]] std::string corpus() const { return path_ + "/corpus"; }

  struct Entry {
    std::string name;
    Program program;
  };
  enum class Damaged : std::uint8_t { kRefused, kPassedOver };
  // Programs of the corpus that this object did not return or keep before, by name.
  Result<std::vector<Entry>> new_programs(Damaged damaged);
  // True: it was not there. It is by the end of finish(), and most likely soon; an error may be of a
  // program before it.
  Result<bool> keep(const Program& program);
  Result<void> finish() { return writer_->finish(); }
  // Programs that jobs were running when they were killed with their parent. They are forgotten.
  std::vector<Program> take_left_over();
  [[nodiscard]] std::size_t count_findings() const;

  // Under the lock: what the files of coverage and statistics say goes in, what is to be written
  // comes out.
  struct State {
    Coverage coverage;
    bool counted = false;    // there was a file of coverage
    std::string statistics;  // empty: there was none
  };
  Result<State> update(Means means, const std::function<Result<void>(State&)>& change);

 private:
  explicit CampaignDirectory(std::string path)
      : path_(std::move(path)), writer_(std::make_unique<FileWriter>(corpus())) {}
  Result<void> prepare();
  Result<void> check_version();

  std::string path_;
  std::set<std::string> seen_;          // file names of the corpus
  std::unique_ptr<FileWriter> writer_;  // of the corpus
};

}  // namespace faultline::vmm::fuzz
