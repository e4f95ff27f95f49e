// The same call on the kernel and on an AddressSpace, and the comparison of all that can be seen
// afterwards.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/support/pinned_file.hpp"
#include "tests/unit/space/fixture.hpp"
#include "tests/unit/space/native.hpp"

namespace faultline::mmu::testing {

struct MirrorFile {
  int descriptor = -1;
  std::shared_ptr<FileMapping> mapping;
  bool readable = true, writable = true;
  // What no fault-around would find once the host had reclaimed it.
  std::shared_ptr<test::PinnedFile> held = {};
};

class Mirror {
 public:
  Mirror(Window window, std::vector<MirrorFile> files, World& world);

  [[nodiscard]] bool ready() const { return native_.ready(); }
  [[nodiscard]] const std::string& why() const { return native_.why(); }
  [[nodiscard]] AddressSpace& space() { return *mm_; }
  [[nodiscard]] NativeProcess& native() { return native_; }

  // Makes the call on both sides. Returns the first difference, or nothing.
  std::optional<std::string> step(const Request& request);
  // The calls made so far that matter for a reproduction, the last ones.
  [[nodiscard]] std::string history() const;
  // Calls by result: how many succeeded and failed, so that a test can tell it tested something.
  std::uint64_t succeeded = 0, failed = 0;

  void drop_space() {
    parents_.clear();
    mm_.reset();
  }

 private:
  Reply run(const Request& request);
  std::int64_t touch(std::uint64_t address, bool write);
  SysResult<Gva> mmap_here(const Request& request);
  void set_limit(std::uint64_t resource, std::uint64_t bytes);
  std::optional<std::string> compare_vmas() const;
  std::optional<std::string> compare_counters() const;
  [[nodiscard]] std::string ours() const;
  [[nodiscard]] std::string theirs() const;

  Window window_;
  std::vector<MirrorFile> files_;
  World& world_;
  NativeProcess native_;
  std::int64_t fork(bool parent_unmaps);
  [[nodiscard]] std::optional<std::string> check() const;

  std::shared_ptr<AddressSpace> mm_;                    // who makes the calls
  std::vector<std::shared_ptr<AddressSpace>> parents_;  // who waits, with its memory
  NativeCounters start_;
  std::vector<std::string> history_;
};

// "mmap(0x200000000000, 0x1000, 0x3, 0x22, 0x0, 0x0)".
std::string describe(const Request& request);

}  // namespace faultline::mmu::testing
