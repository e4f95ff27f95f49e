#include "vmm/fuzz/finding/finding.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>

#include "vmm/fuzz/binary.hpp"
#include "vmm/fuzz/campaign/files.hpp"
#include "vmm/fuzz/finding/explanation.hpp"
#include "vmm/fuzz/finding/finding_json.hpp"
#include "vmm/fuzz/finding/reproducer.hpp"
#include "vmm/fuzz/finding/side_by_side.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::vmm::fuzz {

namespace {

constexpr std::size_t kMaxJsonBytes = 256 << 10;

// Of a folder that this process is writing; another's never has the same name.
std::string temporary_folder() {
  static std::atomic<unsigned> next{0};
  return fmt::format("{}{}-finding-{}", kTemporary, ::getpid(), next.fetch_add(1));
}

// Removed unless it was renamed.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

Result<void> write_files(const std::string& folder, const Finding& f) {
  const std::string said = summary(f.shrunk, f.disagreement);
  std::vector<std::pair<std::string_view, std::string>> texts = {
      {"finding.json", to_json(f)},
      {"program.txt", to_text(f.program)},
      {"shrunk.txt", to_text(f.shrunk)},
      {"traces.txt", said + "\n\n" + side_by_side(f.shrunk, f.traces, f.disagreement)},
      {"reproducer.c", reproducer(f.shrunk, said)},
      {"README.md", explanation(f)}};
  if (!f.faults.empty()) {
    texts.emplace_back("faults.txt", faults_text(f.shrunk, f.faults));
    texts.emplace_back("faults.jsonl", faults_json(f.faults));
  }
  for (const auto& [name, text] : texts) {
    if (auto ok = write_whole(folder, name, std::string_view(text)); !ok) return ok;
  }
  return write_whole(folder, "program.bin", to_binary(f.program));
}

Result<Program> read_text(const std::string& path) {
  const auto bytes = read_whole(path, kMaxTextBytes);
  if (!bytes) return tl::unexpected(bytes.error());
  return parse_text(as_text(*bytes), path);
}

Result<Program> read_binary(const std::string& path) {
  const auto bytes = read_whole(path, kMaxBinaryBytes);
  if (!bytes) return tl::unexpected(bytes.error());
  return parse_binary(*bytes, path);
}

// That the files of a folder speak of one thing.
Result<void> agree(const std::string& folder, const Finding& f, const Program& text) {
  if (text != f.program)
    return fail(fmt::format("{}/program.txt: byte 0: this is not the program of program.bin", folder));
  if (f.disagreement.step > f.shrunk.operations.size())
    return fail(fmt::format("{}/finding.json: \"step\" is {}, and shrunk.txt has {}", folder, f.disagreement.step,
                            f.shrunk.operations.size()));
  return {};
}

}  // namespace

std::string system_name() {
  utsname name{};
  if (::uname(&name) != 0) return "unknown";
  return fmt::format("{} {} {}", name.sysname, name.release, name.machine);
}

std::string summary(const Program& program, const Disagreement& d) {
  const std::string place = d.step < program.operations.size()
                                ? fmt::format("step {} ({})", d.step, to_text(program.operations[d.step]))
                                : "the end";
  return fmt::format("{} and {} disagree at {} in {}: {} / {}", d.first, d.second, place, d.field, d.first_value,
                     d.second_value);
}

Result<std::string> write_finding(const std::string& root, const Finding& finding) {
  const std::string path = root + "/" + finding.signature;
  const TemporaryFolder temporary(root + "/" + temporary_folder());
  if (::mkdir(temporary.path().c_str(), 0755) != 0)
    return fail(fmt::format("{}: {}", temporary.path(), std::strerror(errno)));
  if (const auto written = write_files(temporary.path(), finding); !written) return tl::unexpected(written.error());
  const FileDescriptor at(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (::rename(temporary.path().c_str(), path.c_str()) != 0 && errno != EEXIST && errno != ENOTEMPTY)
    return fail(fmt::format("{}: {}", path, std::strerror(errno)));
  if (at.valid()) ::fsync(at.get());
  return path;
}

Result<Finding> read_finding(const std::string& folder) {
  const std::string json_path = folder + "/finding.json";
  const auto json = read_whole(json_path, kMaxJsonBytes);
  if (!json) return tl::unexpected(json.error());
  auto finding = parse_finding_json(as_text(*json), json_path);
  if (!finding) return finding;
  auto program = read_binary(folder + "/program.bin");
  if (!program) return tl::unexpected(program.error());
  finding->program = std::move(*program);
  auto shrunk = read_text(folder + "/shrunk.txt");
  if (!shrunk) return tl::unexpected(shrunk.error());
  finding->shrunk = std::move(*shrunk);
  const auto text = read_text(folder + "/program.txt");
  if (!text) return tl::unexpected(text.error());
  if (const auto ok = agree(folder, *finding, *text); !ok) return tl::unexpected(ok.error());
  return finding;
}

}  // namespace faultline::vmm::fuzz
