// What a program lives in when mmu has the page tables: memory, the two files, the processes. Made
// once; every program starts in it from the same state, with the same frames to come.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mmu/backing/file_mapping.hpp"
#include "mmu/space/address_space.hpp"
#include "vmm/fuzz/machine/processor.hpp"
#include "vmm/fuzz/machine/program_file.hpp"

namespace faultline::vmm::fuzz {

// What comes from outside: a Machine of vmm/port has it, or plain memory. All outlive the World.
struct WorldParts {
  mmu::FrameAllocator& frames;
  mmu::TlbSink& sink;
  Gfn kernel_half{0};
  mmu::PagingMode mode = mmu::PagingMode::kFourLevel;
  mmu::UserHalf* user_half = nullptr;
  mmu::EditObserver* edits = nullptr;
  mmu::FaultObserver* faults = nullptr;  // of every address space
};

class World {
 public:
  // Takes a frame for the zero page; what else is to stay must have been allocated before. Error:
  // there is no memory for that.
  static Result<std::unique_ptr<World>> create(const WorldParts& parts);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // The start of a program: process 0 with nothing in it, the files as they were made. Error: the
  // host failed. Precondition: no program is in it.
  Result<void> begin(Processor& processor);
  // Everything goes, through mmu's own paths. Returns what is wrong after that: frames that nobody
  // gave back, a zero page that is not zero. Whatever it says, the next program starts as this one.
  [[nodiscard]] std::vector<std::string> end(Processor& processor);

  [[nodiscard]] unsigned current() const { return current_; }
  [[nodiscard]] mmu::AddressSpace& mm() const { return *processes_[current_]; }
  // Null: there is no such process.
  [[nodiscard]] mmu::AddressSpace* process(unsigned number) const { return processes_[number].get(); }
  // A child of the current process. EAGAIN: no number is free. The outer error: the host failed.
  Result<SysResult<unsigned>> fork(Processor& processor);
  // False: there is no such process.
  bool switch_to(unsigned number);
  // The current process ends. False: it is the last one.
  bool exit(Processor& processor);

  [[nodiscard]] std::shared_ptr<mmu::FileMapping> mapping(FileOperand file) const;
  [[nodiscard]] const ProgramFile& file(FileOperand file) const;
  // Which file a VMA shows; kNone: anonymous memory, shared or not.
  [[nodiscard]] FileOperand file_of(const mmu::Vma& vma) const;
  void resize(FileOperand file, std::uint64_t bytes);

  [[nodiscard]] mmu::FrameAllocator& frames() const { return parts_.frames; }
  // Memory as every program finds it, and leaves it.
  [[nodiscard]] const mmu::FrameAllocator::Mark& mark() const { return mark_; }
  // This program corrupts page tables: it may write where it has no right to: the zero page, pages of a
  // file that nobody would write back.
  void expect_corruption() { corrupted_ = true; }
  // Nothing that any processor has cached is used any more.
  void drop_translations() { parts_.sink.drop_all(); }
  // The first contradiction in all address spaces and the memory under them, or nothing.
  [[nodiscard]] std::optional<std::string> check() const;

 private:
  World(const WorldParts& parts, Gfn zero_frame) : parts_(parts), zero_frame_(zero_frame), mark_(parts.frames.mark()) {}
  [[nodiscard]] mmu::MmuEnv env();
  Result<void> adopt(Processor& processor, mmu::AddressSpace& mm);
  [[nodiscard]] bool clean_zero_page() const;

  WorldParts parts_;
  Gfn zero_frame_;
  mmu::FrameAllocator::Mark mark_;
  std::optional<mmu::PageCache> cache_;
  std::array<std::shared_ptr<mmu::FileMapping>, kFiles> files_;
  std::array<std::shared_ptr<mmu::AddressSpace>, kMaxProcesses> processes_;
  unsigned current_ = 0;
  bool corrupted_ = false;
};

}  // namespace faultline::vmm::fuzz
