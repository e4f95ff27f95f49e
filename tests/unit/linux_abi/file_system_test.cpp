// Paths under each policy; what must not be reachable. Also own_proc.cpp and pseudo_files.cpp.
#include "vmm/linux_abi/file_system.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "tests/unit/linux_abi/task_fixture.hpp"

namespace faultline::test {
namespace {

class Rooted : public TaskTest {
 protected:
  Rooted() {
    folder.write("secret", "outside");
    ::mkdir(folder.path("root").c_str(), 0755);
    ::mkdir(folder.path("root/dir").c_str(), 0755);
    folder.write("root/inside", "in");
    link("/inside", "absolute");
    link("../../../../../../inside", "upwards");
    link(folder.path("secret"), "escape");
    link("../secret", "escape-relative");
    link("..", "dir/up");
    auto policy = abi::FilesPolicy::rooted_at(folder.path("root"), false);
    EXPECT_TRUE(policy);
    start(*policy);
  }
  void link(const std::string& target, const std::string& name) {
    EXPECT_EQ(::symlink(target.c_str(), folder.path("root/" + name).c_str()), 0);
  }
  std::string read(const std::string& path) {
    const int fd = open(path, O_RDONLY);
    if (fd < 0) return fmt::format("error {}", -fd);
    const std::int64_t n = call(SYS_read, fd, kScratch, 100);
    EXPECT_EQ(call(SYS_close, fd), 0);
    return get_bytes(kScratch, static_cast<std::size_t>(n));
  }
  const std::string kMissing = fmt::format("error {}", ENOENT);
};

TEST_F(Rooted, LinksLeadWhereTheyWouldInsideTheRoot) {
  EXPECT_EQ(read("/inside"), "in");
  EXPECT_EQ(read("inside"), "in");
  EXPECT_EQ(read("absolute"), "in");
  EXPECT_EQ(read("upwards"), "in");
  EXPECT_EQ(read("/dir/../inside"), "in");
  EXPECT_EQ(read("/dir/up/inside"), "in");
  EXPECT_EQ(read("/../../inside"), "in");
}

TEST_F(Rooted, NothingOutsideCanBeOpened) {
  EXPECT_EQ(read(folder.path("secret")), kMissing);
  EXPECT_EQ(read("../secret"), kMissing);
  EXPECT_EQ(read("/../secret"), kMissing);
  EXPECT_EQ(read("escape"), kMissing);
  EXPECT_EQ(read("escape-relative"), kMissing);
  EXPECT_EQ(read("/etc/passwd"), kMissing);
  const int dir = open("/dir", O_RDONLY | O_DIRECTORY);
  ASSERT_GE(dir, 0);
  EXPECT_EQ(call(SYS_openat, dir, put_string("../../secret"), O_RDONLY), -ENOENT);
  EXPECT_EQ(call(SYS_openat, dir, put_string("../inside"), O_RDONLY), dir + 1);
}

TEST_F(Rooted, NoOtherCallEscapesEither) {
  const std::uint64_t buffer = kScratch + kPageSize;
  for (const char* path : {"escape", "escape-relative", "../secret", "/../secret"}) {
    EXPECT_EQ(call(SYS_stat, put_string(path), buffer), -ENOENT) << path;
    EXPECT_EQ(call(SYS_access, put_string(path), R_OK), -ENOENT) << path;
    EXPECT_EQ(call(SYS_chmod, put_string(path), 0), -ENOENT) << path;
    EXPECT_EQ(call(SYS_truncate, put_string(path), 0), -ENOENT) << path;
    EXPECT_EQ(call(SYS_chdir, put_string(path)), -ENOENT) << path;
    EXPECT_EQ(call(SYS_utimensat, AT_FDCWD, put_string(path), 0, 0), -ENOENT) << path;
  }
  put_string("/../secret", buffer);
  EXPECT_EQ(call(SYS_unlink, buffer), -ENOENT);
  EXPECT_EQ(call(SYS_rename, buffer, put_string("stolen")), -ENOENT);
  EXPECT_EQ(call(SYS_link, buffer, put_string("stolen")), -ENOENT);
  // Made inside, whatever the path says.
  EXPECT_EQ(call(SYS_mkdir, put_string("../made"), 0755), 0);
  EXPECT_EQ(call(SYS_symlink, put_string("x"), put_string("../../linked", buffer)), 0);
  const auto all = folder.contents();
  EXPECT_EQ(all.at("secret"), "outside");
  EXPECT_FALSE(all.contains("made/"));
  EXPECT_TRUE(all.contains("root/made/"));
}

TEST_F(Rooted, WorkingDirectoryIsTheGuests) {
  EXPECT_EQ(call(SYS_getcwd, kScratch, 100), 2);
  EXPECT_EQ(get_bytes(kScratch, 1), "/");
  EXPECT_EQ(call(SYS_chdir, put_string("dir")), 0);
  EXPECT_EQ(call(SYS_getcwd, kScratch, 100), 5);
  EXPECT_EQ(get_bytes(kScratch, 4), "/dir");
  EXPECT_EQ(read("../inside"), "in");
  EXPECT_EQ(call(SYS_chdir, put_string("../../../..")), 0);
  EXPECT_EQ(call(SYS_getcwd, kScratch, 100), 2);
  EXPECT_EQ(call(SYS_getcwd, kScratch, 1), -ERANGE);
}

TEST_F(Rooted, RemovingAndTheRootItself) {
  EXPECT_EQ(call(SYS_unlink, put_string("absolute")), 0);  // the link, not what it leads to
  EXPECT_EQ(read("inside"), "in");
  EXPECT_EQ(call(SYS_rmdir, put_string("/")), -EINVAL);
  EXPECT_EQ(call(SYS_rmdir, put_string("..")), -EINVAL);
  EXPECT_EQ(call(SYS_mkdir, put_string("/"), 0755), -EEXIST);
  EXPECT_EQ(call(SYS_unlink, put_string("inside/")), -ENOTDIR);
}

TEST(RootPolicy, NeedsAFolder) {
  EXPECT_FALSE(abi::FilesPolicy::rooted_at("/no/such/folder", false));
  EXPECT_FALSE(abi::FilesPolicy::rooted_at("/etc/passwd", false));
}

class ReadOnly : public TaskTest {
 protected:
  ReadOnly() {
    folder.write("f", "kept");
    abi::FilesPolicy policy;
    policy.read_only = true;
    start(std::move(policy));
  }
};

TEST_F(ReadOnly, ReadsAndRefusesChanges) {
  const std::string f = folder.path("f");
  EXPECT_GE(open(f, O_RDONLY), 0);
  EXPECT_EQ(open(f, O_RDWR), -EROFS);
  EXPECT_EQ(open(f, O_RDONLY | O_TRUNC), -EROFS);
  EXPECT_GE(open(f, O_RDONLY | O_CREAT), 0);
  EXPECT_EQ(open(f, O_RDONLY | O_CREAT | O_EXCL), -EEXIST);
  EXPECT_EQ(open(folder.path("new"), O_WRONLY | O_CREAT), -EROFS);
  EXPECT_EQ(open(folder.path(), O_RDWR | O_TMPFILE), -EROFS);
  const std::uint64_t name = put_string(f);
  EXPECT_EQ(call(SYS_unlink, name), -EROFS);
  EXPECT_EQ(call(SYS_chmod, name, 0), -EROFS);
  EXPECT_EQ(call(SYS_truncate, name, 0), -EROFS);
  EXPECT_EQ(call(SYS_access, name, W_OK), -EROFS);
  EXPECT_EQ(call(SYS_access, name, R_OK), 0);
  EXPECT_EQ(call(SYS_mkdir, put_string(folder.path("d")), 0755), -EROFS);
  EXPECT_EQ(call(SYS_fchmod, open(f, O_RDONLY), 0), -EROFS);
  EXPECT_EQ(folder.contents(), (std::map<std::string, std::string>{{"f", "kept"}}));
}

TEST_F(ReadOnly, DevicesAndMemoryFilesMayBeWritten) {
  const int null = open("/dev/null", O_WRONLY);
  ASSERT_GE(null, 0);
  EXPECT_EQ(call(SYS_write, null, kScratch, 4), 4);
  const auto memfd = call(SYS_memfd_create, put_string("m"), 0);
  EXPECT_EQ(call(SYS_write, memfd, kScratch, 4), 4);
  EXPECT_EQ(open(fmt::format("/proc/self/fd/{}", open(folder.path("f"), O_RDONLY)), O_RDWR), -EROFS);
}

class NoFiles : public TaskTest {
 protected:
  NoFiles() {
    abi::FilesPolicy policy;
    policy.mode = abi::FilesMode::kNone;
    start(std::move(policy));
  }
};

TEST_F(NoFiles, NoPathLeadsAnywhere) {
  EXPECT_EQ(open("/etc/passwd", O_RDONLY), -ENOENT);
  EXPECT_EQ(open("/", O_RDONLY), -ENOENT);
  EXPECT_EQ(open(folder.path("new"), O_CREAT | O_WRONLY), -EACCES);
  EXPECT_EQ(call(SYS_mkdir, put_string(folder.path("d")), 0755), -EACCES);
  EXPECT_EQ(call(SYS_stat, put_string("/"), kScratch + kPageSize), -ENOENT);
  EXPECT_EQ(call(SYS_chdir, put_string("/")), -ENOENT);
  EXPECT_EQ(call(SYS_getcwd, kScratch, 10), 2);
  // What needs no path works.
  EXPECT_GE(call(SYS_memfd_create, put_string("m"), 0), 0);
  EXPECT_EQ(call(SYS_readlink, put_string("/proc/self/exe"), kScratch + kPageSize, 100), 14);
}

class ProcSelf : public TaskTest {
 protected:
  std::int64_t readlink(const std::string& path, std::string* text = nullptr) {
    const std::int64_t n = call(SYS_readlink, put_string(path), kScratch + kPageSize, 200);
    if (n > 0 && text != nullptr) *text = get_bytes(kScratch + kPageSize, static_cast<std::size_t>(n));
    return n;
  }
};

TEST_F(ProcSelf, TheHarnessCannotBeReached) {
  const std::string own = fmt::format("/proc/{}", ::getpid());
  for (const std::string& base : {own, fmt::format("{}/task/{}", own, ::getpid()), std::string("/proc/1")}) {
    for (const char* entry : {"/mem", "/environ", "/maps.", "/fd", "/status", "/map_files", ""})
      EXPECT_EQ(open(base + entry, O_RDONLY), -ENOENT) << base << entry;
    if (base != "/proc/1") {
      EXPECT_EQ(open(base + "/root/etc/passwd", O_RDONLY), -ELOOP) << base;
    }
  }
  for (const char* entry : {"/proc/self/map_files", "/proc/self/ns", "/proc/thread-self/net/tcp", "/proc/net/tcp"})
    EXPECT_EQ(open(entry, O_RDONLY), -ENOENT) << entry;
  // Not by a detour either: the working directory, a link.
  ASSERT_EQ(call(SYS_chdir, put_string("/proc")), 0);
  EXPECT_EQ(call(SYS_chdir, put_string("self")), -ENOENT);
  EXPECT_EQ(call(SYS_chdir, put_string(own)), -ENOENT);
  EXPECT_EQ(open(own.substr(6) + "/mem", O_RDWR), -ENOENT);
  ASSERT_EQ(::symlink((own + "/mem").c_str(), folder.path("m").c_str()), 0);
  ASSERT_EQ(::symlink((own + "/fd/0").c_str(), folder.path("n").c_str()), 0);
  EXPECT_EQ(open(folder.path("m"), O_RDWR), -ENOENT);
  EXPECT_EQ(open(folder.path("n"), O_RDONLY), -ELOOP);
  EXPECT_EQ(call(SYS_truncate, put_string(folder.path("n")), 0), -ELOOP);
}

TEST_F(ProcSelf, DescriptorsAreTheGuests) {
  folder.write("f", "text");
  // The host surely has a descriptor 0 here; the guest has none yet.
  EXPECT_EQ(open("/proc/self/fd/0", O_RDONLY), -ENOENT);
  EXPECT_EQ(open("/dev/stdin", O_RDONLY), -ENOENT);
  const int fd = open(folder.path("f"), O_RDONLY);
  ASSERT_EQ(fd, 0);
  std::string text;
  EXPECT_GT(readlink("/proc/self/fd/0", &text), 0);
  EXPECT_EQ(text, folder.path("f"));
  const int again = open("/dev/stdin", O_RDONLY);
  ASSERT_EQ(again, 1);
  EXPECT_EQ(call(SYS_read, again, kScratch, 10), 4);
  EXPECT_EQ(call(SYS_lseek, fd, 0, SEEK_CUR), 0);  // a description of its own
  EXPECT_EQ(call(SYS_stat, put_string("/proc/self/fd/0"), kScratch + kPageSize), 0);
  EXPECT_EQ(get<struct stat>(kScratch + kPageSize).st_size, 4);
}

TEST_F(ProcSelf, ExeIsTheProgramAndMapsAreTheGuests) {
  std::string text;
  EXPECT_EQ(readlink("/proc/self/exe", &text), 14);
  EXPECT_EQ(text, "/usr/bin/guest");
  EXPECT_EQ(readlink(fmt::format("/proc/{}/exe", kPid), &text), 14);
  const int maps = open("/proc/self/maps", O_RDONLY);
  ASSERT_GE(maps, 0);
  EXPECT_EQ(call(SYS_read, maps, kScratch, 4096), 41);
  EXPECT_EQ(get_bytes(kScratch, 41), "10000000-10010000 rw-p 00000000 00:00 0 \n");
  // Anybody but root would not get this far.
  const int written = open("/proc/self/maps", O_WRONLY);
  EXPECT_EQ(call(SYS_write, written, kScratch, 8), -EINVAL);
  EXPECT_GE(open("/proc/self/mounts", O_RDONLY), 0);
}

TEST_F(ProcSelf, TheHostsProcIsForReading) {
  EXPECT_GE(open("/proc/version", O_RDONLY), 0);
  EXPECT_EQ(open("/proc/sys/vm/swappiness", O_WRONLY), -EACCES);
}

}  // namespace
}  // namespace faultline::test
