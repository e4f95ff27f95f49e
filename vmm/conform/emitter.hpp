// Writes x86-64 instructions into memory. Every address of the runner's own fits a sign-extended
// 32-bit operand (layout.hpp). SDM vol. 2, "Instruction Format".
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>

#include "mmu/base/address.hpp"

namespace faultline::vmm::conform {

// Numbers as the encoding has them.
enum class Reg : std::uint8_t { kRax, kRcx, kRdx, kRbx, kRsp, kRbp, kRsi, kRdi, kR14 = 14, kR15 = 15 };

class Emitter {
 public:
  // `at`: where the guest sees the first byte.
  Emitter(std::span<std::byte> area, Gva at) : area_(area), at_(at) {}

  [[nodiscard]] std::size_t used() const { return used_; }
  [[nodiscard]] std::size_t left() const { return area_.size() - used_; }
  [[nodiscard]] Gva here() const { return at_ + used_; }

  void bytes(std::initializer_list<std::uint8_t> code) {
    for (const std::uint8_t b : code) put(b);
  }
  void bytes(std::span<const std::uint8_t> code) {
    for (const std::uint8_t b : code) put(b);
  }

  // MOV register, value: the shortest form.
  void set(Reg reg, std::uint64_t value) {
    const auto r = static_cast<std::uint8_t>(reg);
    if (value <= 0xffff'ffff) {
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
  // MOV qword [to], value; RAX is lost where the value needs it.
  void store(Gva to, std::uint64_t value) {
    if (fits(value)) {
      bytes({0x48, 0xc7, 0x04, 0x25});
      put32(to.raw());
      put32(value);
      return;
    }
    set(Reg::kRax, value);
    bytes({0x48, 0x89, 0x04, 0x25});
    put32(to.raw());
  }
  // MOV RAX, [from]; MOV [to], RAX
  void copy(Gva from, Gva to) {
    bytes({0x48, 0x8b, 0x04, 0x25});
    put32(from.raw());
    bytes({0x48, 0x89, 0x04, 0x25});
    put32(to.raw());
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

  // MOV R15, address that is known later: returns where to patch it.
  std::size_t set_r15_later() {
    bytes({0x49, 0xc7, 0xc7});
    put32(0);
    return used_ - 4;
  }
  void patch(std::size_t where, Gva address) {
    const auto value = static_cast<std::uint32_t>(address.raw());
    std::memcpy(area_.data() + where, &value, sizeof value);
  }

 private:
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
  std::size_t used_ = 0;
};

}  // namespace faultline::vmm::conform
