// Text in records, made while it is read (Linux seq_file): a read gives whole records up to a
// page, more only when the first alone is longer; the next goes on where it ended.
#pragma once

#include <functional>
#include <string>

#include "vmm/linux_abi/proc/subject.hpp"
#include "vmm/linux_abi/virtual_file.hpp"

namespace faultline::vmm::linux_abi::proc {

class SeqFile : public VirtualFile {
 public:
  using VirtualFile::VirtualFile;
  SysResult<std::size_t> read(Task& reader, std::uint64_t offset, std::span<std::byte> to) final;

 protected:
  // Back to the first record.
  virtual void restart() = 0;
  // Appends the next record; false when there is none.
  virtual SysResult<bool> next(Task& reader, std::string& out) = 0;

 private:
  SysResult<bool> seek(Task& reader, std::uint64_t offset);
  SysResult<void> fill(Task& reader, std::size_t wanted);

  std::string buffer_, pending_;  // not yet read; a record that did not fit
  std::uint64_t at_ = 0;          // position of the buffer's first byte
  bool started_ = false;
};

// One record, made by a function of the process that the file belongs to.
class TextFile final : public SeqFile {
 public:
  using Make = std::string (*)(Task& subject);
  TextFile(VirtualAttributes attributes, std::string path, Subject subject, Make make)
      : SeqFile(attributes, std::move(path)), subject_(std::move(subject)), make_(make) {}

 protected:
  void restart() override { done_ = false; }
  SysResult<bool> next(Task& reader, std::string& out) override;

 private:
  Subject subject_;
  Make make_;
  bool done_ = false;
};

}  // namespace faultline::vmm::linux_abi::proc
