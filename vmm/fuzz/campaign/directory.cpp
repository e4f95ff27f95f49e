#include "vmm/fuzz/campaign/directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "vmm/fuzz/binary.hpp"
#include "vmm/fuzz/campaign/running_program.hpp"
#include "vmm/fuzz/campaign/statistics.hpp"
#include "vmm/fuzz/text.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace faultline::vmm::fuzz {

namespace {

constexpr std::string_view kVersion = "faultline-fuzz-campaign 1\n";
constexpr std::size_t kMaxProgramFile = std::max(kMaxTextBytes, kMaxBinaryBytes);
constexpr std::size_t kMaxStateFile = 64U << 20;

Result<Program> load(const std::string& path) {
  const auto bytes = read_whole(path, kMaxProgramFile);
  if (!bytes) return tl::unexpected(bytes.error());
  if (!bytes->empty() && bytes->front() == kBinaryMagic.front()) return parse_binary(*bytes, path);
  return parse_text(as_text(*bytes), path);
}

// A folder of our own: no link to somewhere else.
Result<void> own_folder(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode))
    return fail(path + ": byte 0: a symbolic link; a campaign's folders are its own");
  return make_folder(path);
}

}  // namespace

std::string program_name(const Program& program) {
  const auto bytes = to_binary(program);
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

Result<CampaignDirectory> CampaignDirectory::open(const std::string& path) {
  if (path.empty()) return fail("a campaign's folder has a name");
  CampaignDirectory directory(path);
  if (const auto ready = directory.prepare(); !ready) return tl::unexpected(ready.error());
  // Whatever is damaged is found before anything runs.
  CampaignDirectory probe(path);
  if (const auto programs = probe.new_programs(Damaged::kRefused); !programs) return tl::unexpected(programs.error());
  const auto state =
      directory.update({}, [&path](const State& s) { return check_statistics(s.statistics, path + "/stats.json"); });
  if (!state) return tl::unexpected(state.error());
  return directory;
}

Result<void> CampaignDirectory::prepare() {
  if (const auto made = make_folder(path_); !made) return made;
  if (const auto version = check_version(); !version) return version;
  for (const std::string& folder : {corpus(), findings(), running()}) {
    if (const auto made = own_folder(folder); !made) return made;
    remove_leftovers(folder);
  }
  remove_leftovers(path_);
  return {};
}

Result<void> CampaignDirectory::check_version() {
  const std::string file = path_ + "/version";
  if (!exists(file)) {
    const auto names = list_folder(path_);
    if (!names) return tl::unexpected(names.error());
    // Somebody else may have begun to make it in between.
    if (!names->empty() && !exists(file))
      return fail(
          fmt::format("{}: byte 0: there is no such file, and the folder is not empty: give the folder of a "
                      "campaign, or one that is empty or not there yet",
                      file));
    if (names->empty()) return write_whole(path_, "version", kVersion);
  }
  const auto bytes = read_whole(file, 4096);
  if (!bytes) return tl::unexpected(bytes.error());
  const std::string_view text = as_text(*bytes);
  if (text == kVersion) return {};
  std::size_t at = 0;
  while (at < text.size() && at < kVersion.size() && text[at] == kVersion[at]) ++at;
  return fail(fmt::format("{}: byte {}: it should say '{}'; a campaign of another version, or none", file, at,
                          kVersion.substr(0, kVersion.size() - 1)));
}

Result<std::vector<CampaignDirectory::Entry>> CampaignDirectory::new_programs(Damaged damaged) {
  const auto names = list_folder(corpus());
  if (!names) return tl::unexpected(names.error());
  std::vector<Entry> entries;
  for (const std::string& name : *names) {
    if (!seen_.insert(name).second) continue;
    auto program = load(corpus() + "/" + name);
    if (program) {
      entries.push_back({name, std::move(*program)});
    } else if (damaged == Damaged::kRefused) {
      return tl::unexpected(program.error());
    }
  }
  return entries;
}

Result<bool> CampaignDirectory::keep(const Program& program) {
  std::string name = program_name(program);
  if (!seen_.insert(name).second || exists(corpus() + "/" + name)) return false;
  if (const auto written = writer_->write(std::move(name), to_binary(program)); !written)
    return tl::unexpected(written.error());
  return true;
}

std::vector<Program> CampaignDirectory::take_left_over() {
  std::vector<Program> programs;
  const auto names = list_folder(running());
  if (!names) return programs;
  for (const std::string& name : *names) {
    std::ranges::move(RunningProgram::take_over(running() + "/" + name), std::back_inserter(programs));
  }
  return programs;
}

std::size_t CampaignDirectory::count_findings() const {
  const auto names = list_folder(findings());
  return names ? names->size() : 0;
}

Result<CampaignDirectory::State> CampaignDirectory::update(Means means,
                                                           const std::function<Result<void>(State&)>& change) {
  const std::string lock_file = path_ + "/lock", coverage_file = path_ + "/coverage",
                    stats_file = path_ + "/stats.json";
  const FileDescriptor lock(::open(lock_file.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644));
  if (!lock.valid()) return fail(fmt::format("{}: {}", lock_file, std::strerror(errno)));
  while (::flock(lock.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return fail(fmt::format("{}: {}", lock_file, std::strerror(errno)));
  }
  State state{Coverage(means), false, {}};
  if (exists(coverage_file)) {
    const auto bytes = read_whole(coverage_file, kMaxStateFile);
    if (!bytes) return tl::unexpected(bytes.error());
    auto coverage = Coverage::parse(*bytes, coverage_file, means);
    if (!coverage) return tl::unexpected(coverage.error());
    state.coverage = std::move(*coverage);
    state.counted = true;
  }
  if (exists(stats_file)) {
    const auto bytes = read_whole(stats_file, kMaxStateFile);
    if (!bytes) return tl::unexpected(bytes.error());
    state.statistics = as_text(*bytes);
  }
  const std::size_t features = state.coverage.features();
  const std::string statistics = state.statistics;
  if (const auto changed = change(state); !changed) return tl::unexpected(changed.error());
  if (state.coverage.features() != features) {
    if (const auto written = write_whole(path_, "coverage", state.coverage.serialise()); !written)
      return tl::unexpected(written.error());
  }
  if (state.statistics != statistics) {
    if (const auto written = write_whole(path_, "stats.json", state.statistics); !written)
      return tl::unexpected(written.error());
  }
  return state;
}

}  // namespace faultline::vmm::fuzz
