#include "vmm/linux_abi/proc/tree.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "vmm/linux_abi/proc/control_files.hpp"
#include "vmm/linux_abi/proc/maps.hpp"
#include "vmm/linux_abi/proc/mem.hpp"
#include "vmm/linux_abi/proc/pagemap.hpp"
#include "vmm/linux_abi/proc/process_text.hpp"
#include "vmm/linux_abi/proc/system_text.hpp"

namespace faultline::vmm::linux_abi::proc {

// Where an entry appears.
enum class Place : std::uint8_t { kRoot, kProcess, kLeader, kThread, kSysVm };

using MakeFile = std::unique_ptr<VirtualFile> (*)(VirtualAttributes, std::string, Subject);
struct Entry {
  Place place;  // kProcess: of the process and of its threads
  std::string_view name;
  std::uint32_t mode;
  TextFile::Make text = nullptr;  // one of the two; neither: a directory or a link
  MakeFile make = nullptr;
};

namespace {

constexpr std::uint32_t kRead = S_IFREG | 0444, kOwner = S_IFREG | 0400, kSetting = S_IFREG | 0644;
constexpr std::uint32_t kFolder = S_IFDIR | 0555, kLink = S_IFLNK | 0777;

std::unique_ptr<VirtualFile> make_pagemap_file(VirtualAttributes attributes, std::string path, Subject subject) {
  const ShowFrames show = attributes.uid == 0 ? ShowFrames::kYes : ShowFrames::kNo;
  return make_pagemap(attributes, std::move(path), std::move(subject), show);
}

constexpr std::array kEntries = {
    Entry{Place::kRoot, "cpuinfo", kRead, cpuinfo_text},
    Entry{Place::kRoot, "loadavg", kRead, loadavg_text},
    Entry{Place::kRoot, "meminfo", kRead, meminfo_text},
    Entry{Place::kRoot, "self", kLink},
    Entry{Place::kRoot, "stat", kRead, system_stat_text},
    Entry{Place::kRoot, "swaps", kRead, swaps_text},
    Entry{Place::kRoot, "thread-self", kLink},
    Entry{Place::kRoot, "uptime", kRead, uptime_text},
    Entry{Place::kRoot, "vmstat", kRead, vmstat_text},
    Entry{Place::kSysVm, "max_map_count", kRead, max_map_count_text},
    Entry{Place::kSysVm, "nr_hugepages", kRead, nr_hugepages_text},
    Entry{Place::kSysVm, "overcommit_memory", kRead, overcommit_memory_text},
    Entry{Place::kProcess, "auxv", kOwner, auxv_bytes},
    Entry{Place::kProcess, "clear_refs", S_IFREG | 0200, nullptr, make_clear_refs},
    Entry{Place::kProcess, "cmdline", kRead, cmdline_text},
    Entry{Place::kProcess, "comm", kSetting, nullptr, make_comm},
    Entry{Place::kProcess, "cwd", kLink},
    Entry{Place::kProcess, "environ", kOwner, environ_text},
    Entry{Place::kProcess, "exe", kLink},
    Entry{Place::kProcess, "fd", S_IFDIR | 0500},
    Entry{Place::kProcess, "io", kOwner, io_text},
    Entry{Place::kProcess, "limits", kRead, limits_text},
    Entry{Place::kProcess, "loginuid", kRead, loginuid_text},
    Entry{Place::kProcess, "maps", kRead, nullptr, make_maps},
    Entry{Place::kProcess, "mem", S_IFREG | 0600, nullptr, make_mem},
    Entry{Place::kProcess, "oom_score", kRead, oom_score_text},
    Entry{Place::kProcess, "oom_score_adj", kSetting, nullptr, make_oom_score_adj},
    Entry{Place::kProcess, "pagemap", kOwner, nullptr, make_pagemap_file},
    Entry{Place::kProcess, "personality", kOwner, personality_text},
    Entry{Place::kProcess, "root", kLink},
    Entry{Place::kProcess, "schedstat", kRead, schedstat_text},
    Entry{Place::kProcess, "smaps", kRead, nullptr, make_smaps},
    Entry{Place::kProcess, "smaps_rollup", kRead, nullptr, make_smaps_rollup},
    Entry{Place::kProcess, "stat", kRead, stat_text},
    Entry{Place::kProcess, "statm", kRead, statm_text},
    Entry{Place::kProcess, "status", kRead, status_text},
    Entry{Place::kLeader, "task", kFolder},
    Entry{Place::kProcess, "wchan", kRead, wchan_text},
};

// Directories, of which there are few kinds.
constexpr Entry kProcRoot{Place::kRoot, "", kFolder};
constexpr Entry kLeaderFolder{Place::kLeader, "PID", kFolder};
constexpr Entry kThreadFolder{Place::kThread, "TID", kFolder};

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size() && value >= 0;
  return whole && (text == "0" || text.front() != '0') ? std::optional(value) : std::nullopt;
}

// The first component of `path`, which loses it.
std::string_view take(std::string_view& path) {
  const std::size_t end = std::min(path.find('/'), path.size());
  const std::string_view part = path.substr(0, end);
  path.remove_prefix(std::min(end + 1, path.size()));
  return part;
}

const Entry* entry_in(Place place, std::string_view name) {
  const auto fits = [&](const Entry& e) {
    return e.name == name &&
           (e.place == place || (e.place == Place::kProcess && (place == Place::kLeader || place == Place::kThread)));
  };
  const auto found = std::ranges::find_if(kEntries, fits);
  return found == kEntries.end() ? nullptr : &*found;
}

NodeKind kind_of(const Entry& entry) {
  if (S_ISDIR(entry.mode)) return NodeKind::kDirectory;
  if (!S_ISLNK(entry.mode)) return NodeKind::kFile;
  if (entry.name == "self") return NodeKind::kSelf;
  if (entry.name == "thread-self") return NodeKind::kThreadSelf;
  if (entry.name == "exe") return NodeKind::kExe;
  return entry.name == "cwd" ? NodeKind::kCwd : NodeKind::kRoot;
}

// `rest` below the directory of process `pid`, or of its thread.
std::optional<Node> find_in_process(Task& reader, int pid, Place place, std::string_view rest, std::string path) {
  const Entry& folder = place == Place::kLeader ? kLeaderFolder : kThreadFolder;
  if (rest.empty()) return Node{NodeKind::kDirectory, pid, -1, &folder, std::move(path)};
  const std::string_view name = take(rest);
  const Entry* entry = entry_in(place, name);
  if (entry == nullptr) return std::nullopt;
  if (rest.empty()) return Node{kind_of(*entry), pid, -1, entry, std::move(path)};
  const std::string_view child = take(rest);
  const auto value = number(child);
  if (!value) return std::nullopt;
  if (entry->name == "fd" && rest.empty()) return Node{NodeKind::kDescriptor, pid, *value, entry, std::move(path)};
  if (entry->name != "task" || *value != pid) return std::nullopt;
  return find_in_process(reader, pid, Place::kThread, rest, std::move(path));
}

std::uint64_t inode_of(const Node& node) {
  std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a
  for (const char c : node.path) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return node.entry == &kProcRoot ? 1 : (hash >> 32) | 2;
}

class Directory final : public VirtualFile {
 public:
  Directory(VirtualAttributes attributes, Node node) : VirtualFile(attributes, node.path), node_(std::move(node)) {}

  SysResult<std::size_t> read(Task&, std::uint64_t, std::span<std::byte>) override { return sys_error(EISDIR); }

  SysResult<std::vector<VirtualEntry>> list(Task& reader) override {
    out_ = {{".", attributes().inode, DT_DIR}, {"..", 1, DT_DIR}};
    if (node_.pid == 0) {
      add_entries(Place::kRoot);
      for (const char* of_the_host : {"cmdline", "filesystems", "mounts", "sys", "version"})
        add(of_the_host, std::string_view(of_the_host) == "sys" ? DT_DIR : DT_REG);
      for (const int pid : process_ids(reader)) add(fmt::format("{}", pid), DT_DIR);
      return out_;
    }
    Task* task = find_process(reader, node_.pid);
    if (task == nullptr) return sys_error(ENOENT);
    if (node_.entry->name == "fd") {
      for (const int fd : task->files().open_numbers()) add(fmt::format("{}", fd), DT_LNK);
    } else if (node_.entry->name == "task") {
      add(fmt::format("{}", node_.pid), DT_DIR);
    } else {
      add_entries(node_.entry->place);
    }
    return out_;
  }

 private:
  void add(std::string name, unsigned char type) {
    Node child;
    child.path = node_.path + "/" + name;
    out_.push_back({std::move(name), inode_of(child), type});
  }
  void add_entries(Place place) {
    for (const Entry& e : kEntries) {
      if (entry_in(place, e.name) == &e) add(std::string(e.name), static_cast<unsigned char>((e.mode & S_IFMT) >> 12));
    }
  }

  Node node_;
  std::vector<VirtualEntry> out_;
};

}  // namespace

std::optional<Node> find_node(Task& reader, const std::string& path) {
  std::string_view rest = path;
  if (take(rest) != "" || take(rest) != "proc") return std::nullopt;
  if (rest.empty()) return Node{NodeKind::kDirectory, 0, -1, &kProcRoot, path};
  if (rest.starts_with("sys/vm/")) {
    const Entry* entry = entry_in(Place::kSysVm, rest.substr(7));
    return entry == nullptr ? std::nullopt : std::optional(Node{NodeKind::kFile, 0, -1, entry, path});
  }
  const std::string_view first = take(rest);
  if (const Entry* entry = entry_in(Place::kRoot, first); entry != nullptr && rest.empty())
    return Node{kind_of(*entry), 0, -1, entry, path};
  const int self = reader.config().pid;
  // Paths behind the links are told with the numbers.
  const auto below = [&](std::string folder) { return rest.empty() ? folder : fmt::format("{}/{}", folder, rest); };
  if (first == "self") return find_in_process(reader, self, Place::kLeader, rest, below(fmt::format("/proc/{}", self)));
  if (first == "thread-self")
    return find_in_process(reader, self, Place::kThread, rest, below(fmt::format("/proc/{0}/task/{0}", self)));
  const auto pid = number(first);
  if (!pid || find_process(reader, *pid) == nullptr) return std::nullopt;
  return find_in_process(reader, *pid, Place::kLeader, rest, path);
}

VirtualAttributes attributes_of(Task& reader, const Node& node) {
  const Task* task = node.pid == 0 ? nullptr : find_process(reader, node.pid);
  VirtualAttributes a;
  a.mode = node.entry->mode;
  if (node.kind == NodeKind::kDescriptor) a.mode = S_IFLNK | 0700;
  a.inode = inode_of(node);
  if (task != nullptr) a.uid = task->config().euid, a.gid = task->config().egid;
  if (node.kind == NodeKind::kDirectory) a.links = node.entry->place == Place::kProcess ? 2 : 3;
  return a;
}

SysResult<std::shared_ptr<VirtualFile>> make_file(Task& reader, const Node& node) {
  Subject subject{.pid = node.pid};
  if (node.pid != 0) {
    const Task* task = find_process(reader, node.pid);
    if (task == nullptr) return sys_error(ESRCH);
    subject.mm = task->shared_mm();
  }
  const VirtualAttributes attributes = attributes_of(reader, node);
  if (node.kind == NodeKind::kDirectory) return std::make_shared<Directory>(attributes, node);
  if (node.entry->text != nullptr)
    return std::make_shared<TextFile>(attributes, node.path, std::move(subject), node.entry->text);
  return std::shared_ptr<VirtualFile>(node.entry->make(attributes, node.path, std::move(subject)));
}

}  // namespace faultline::vmm::linux_abi::proc
