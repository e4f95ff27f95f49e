// Writes instructions into memory, for 64-bit code or for 32-bit code. Every address of the
// runner's own fits a sign-extended 32-bit operand (layout.hpp). SDM vol. 2, "Instruction Format".
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>

#include "mmu/base/address.hpp"

namespace faultline::vmm::conform {

// Numbers as the encoding has them. kRecord and kResume are R14 and R15, in 32-bit code EBX and EBP.
enum class Reg : std::uint8_t { kRax, kRcx, kRdx, kRbx, kRsp, kRbp, kRsi, kRdi, kRecord = 14, kResume = 15 };
enum class CodeSize : std::uint8_t { k64, k32 };

class Emitter {
 public:
  // `at`: where the guest sees the first byte.
  Emitter(std::span<std::byte> area, Gva at, CodeSize size) : area_(area), at_(at), legacy_(size == CodeSize::k32) {}

  [[nodiscard]] std::size_t used() const { return used_; }
  [[nodiscard]] std::size_t left() const { return area_.size() - used_; }
  [[nodiscard]] Gva here() const { return at_ + used_; }
  [[nodiscard]] bool legacy() const { return legacy_; }

  void bytes(std::initializer_list<std::uint8_t> code) {
    for (const std::uint8_t b : code) put(b);
  }
  void bytes(std::span<const std::uint8_t> code) {
    for (const std::uint8_t b : code) put(b);
  }

  // MOV register, value: the shortest form.
  void set(Reg reg, std::uint64_t value) {
    const auto r = number(reg);
    if (legacy_ || value <= 0xffff'ffff) {
      if (r >= 8) put(0x41);
      put(static_cast<std::uint8_t>(0xb8 + (r & 7)));
      put32(value);
    } else if (fits(value)) {
      bytes({static_cast<std::uint8_t>(r >= 8 ? 0x49 : 0x48), 0xc7, static_cast<std::uint8_t>(0xc0 + (r & 7))});
      put32(value);
    } else {
      bytes({static_cast<std::uint8_t>(r >= 8 ? 0x49 : 0x48), static_cast<std::uint8_t>(0xb8 + (r & 7))});
      put64(value);
    }
  }
  // MOV qword [to], value; RAX is lost where the value needs it. 32-bit code stores the upper half first.
  void store(Gva to, std::uint64_t value) {
    if (legacy_) {
      store4(to + 4, value >> 32);
      store4(to, value);
    } else if (fits(value)) {
      bytes({0x48, 0xc7, 0x04, 0x25});
      put32(to.raw());
      put32(value);
    } else {
      set(Reg::kRax, value);
      bytes({0x48, 0x89, 0x04, 0x25});
      put32(to.raw());
    }
  }
  // MOV dword [to], value
  void store4(Gva to, std::uint64_t value) {
    legacy_ ? bytes({0xc7, 0x05}) : bytes({0xc7, 0x04, 0x25});
    put32(to.raw());
    put32(value);
  }
  // MOV RAX, [from]; MOV [to], RAX
  void copy(Gva from, Gva to) {
    if (legacy_) {
      copy4(from, to);
      copy4(from + 4, to + 4);
      return;
    }
    bytes({0x48, 0x8b, 0x04, 0x25});
    put32(from.raw());
    bytes({0x48, 0x89, 0x04, 0x25});
    put32(to.raw());
  }
  // MOV EAX, [from]; MOV [to], EAX, in 32-bit code.
  void copy4(Gva from, Gva to) {
    bytes({0x8b, 0x05});
    put32(from.raw());
    bytes({0x89, 0x05});
    put32(to.raw());
  }
  // MOV [record + offset], register
  void save(std::uint8_t offset, Reg from) {
    const auto r = static_cast<std::uint8_t>(from);
    legacy_ ? bytes({0x89, static_cast<std::uint8_t>(0x43 | r << 3), offset})
            : bytes({0x49, 0x89, static_cast<std::uint8_t>(0x46 | r << 3), offset});
  }
  // MOV qword [record], value
  void save_first(std::uint32_t value) {
    legacy_ ? bytes({0xc7, 0x03}) : bytes({0x49, 0xc7, 0x06});
    put32(value);
  }
  // PUSH value; POPFQ
  void set_flags(std::uint64_t flags) {
    put(0x68);
    put32(flags);
    put(0x9d);
  }
  // MOV CRn, RAX
  void set_cr(unsigned n, std::uint64_t value) {
    set(Reg::kRax, value);
    bytes({0x0f, 0x22, static_cast<std::uint8_t>(0xc0 + n * 8)});
  }
  void set_msr(std::uint32_t index, std::uint64_t value) {
    set(Reg::kRcx, index);
    set(Reg::kRax, value & 0xffff'ffff);
    set(Reg::kRdx, value >> 32);
    bytes({0x0f, 0x30});
  }
  void set_pkru(std::uint32_t value) {
    set(Reg::kRax, value);
    bytes({0x31, 0xc9, 0x31, 0xd2, 0x0f, 0x01, 0xef});
  }
  void jump(Gva to) {
    set(Reg::kRax, to.raw());
    bytes({0xff, 0xe0});
  }

  // MOV resume, address that is known later: returns where to patch it.
  std::size_t set_resume_later() {
    legacy_ ? bytes({0xbd}) : bytes({0x49, 0xc7, 0xc7});
    put32(0);
    return used_ - 4;
  }
  void patch(std::size_t where, Gva address) {
    const auto value = static_cast<std::uint32_t>(address.raw());
    std::memcpy(area_.data() + where, &value, sizeof value);
  }

 private:
  [[nodiscard]] std::uint8_t number(Reg reg) const {
    if (legacy_ && reg == Reg::kRecord) return static_cast<std::uint8_t>(Reg::kRbx);
    if (legacy_ && reg == Reg::kResume) return static_cast<std::uint8_t>(Reg::kRbp);
    return static_cast<std::uint8_t>(reg);
  }
  static bool fits(std::uint64_t value) {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(value))) == value;
  }
  void put(std::uint8_t b) { area_[used_++] = std::byte{b}; }
  void put32(std::uint64_t value) {
    const auto v = static_cast<std::uint32_t>(value);
    std::memcpy(area_.data() + used_, &v, sizeof v);
    used_ += sizeof v;
  }
  void put64(std::uint64_t v) {
    std::memcpy(area_.data() + used_, &v, sizeof v);
    used_ += sizeof v;
  }

  std::span<std::byte> area_;
  Gva at_;
  bool legacy_;
  std::size_t used_ = 0;
};

}  // namespace faultline::vmm::conform
