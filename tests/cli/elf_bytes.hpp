// A small static ELF64 program as bytes, to be spoilt field by field.
#pragma once

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <string>

namespace faultline::test {

inline constexpr std::uint64_t kElfBase = 0x400000;

// One readable and executable segment whose code is exit(0), and one writable segment.
class ElfBytes {
 public:
  ElfBytes() : bytes_(0x2000, '\0') {
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_EXEC;
    header.e_machine = EM_X86_64;
    header.e_version = EV_CURRENT;
    header.e_entry = kElfBase + 0x1000;
    header.e_phoff = sizeof(Elf64_Ehdr);
    header.e_ehsize = sizeof(Elf64_Ehdr);
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 2;
    put(0, header);

    const Elf64_Phdr text{PT_LOAD, PF_R | PF_X, 0, kElfBase, kElfBase, 0x1800, 0x1800, 0x1000};
    const Elf64_Phdr data{PT_LOAD, PF_R | PF_W, 0x1800, kElfBase + 0x3800, kElfBase + 0x3800, 0x800, 0x2000, 0x1000};
    put(segment_at(0), text);
    put(segment_at(1), data);

    // mov $60,%eax; xor %edi,%edi; syscall
    const unsigned char code[] = {0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05};
    std::memcpy(bytes_.data() + 0x1000, code, sizeof code);
  }

  template <class Edit>
  ElfBytes& header(Edit edit) {
    auto value = get<Elf64_Ehdr>(0);
    edit(value);
    put(0, value);
    return *this;
  }

  template <class Edit>
  ElfBytes& segment(std::size_t index, Edit edit) {
    auto value = get<Elf64_Phdr>(segment_at(index));
    edit(value);
    put(segment_at(index), value);
    return *this;
  }

  [[nodiscard]] std::string str() const { return bytes_; }
  [[nodiscard]] std::string first(std::size_t count) const { return bytes_.substr(0, count); }
  static constexpr std::size_t segment_at(std::size_t index) { return sizeof(Elf64_Ehdr) + index * sizeof(Elf64_Phdr); }
  static constexpr std::size_t headers_size() { return segment_at(2); }

 private:
  template <class T>
  [[nodiscard]] T get(std::size_t at) const {
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return value;
  }
  template <class T>
  void put(std::size_t at, const T& value) {
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }

  std::string bytes_;
};

}  // namespace faultline::test
