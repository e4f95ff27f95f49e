// Strong address types. A guest-virtual address never mixes with a guest-physical one.
// All the arithmetic there is: address plus or minus bytes, address minus address.
// Additions are checked: operator+ aborts on wrap-around, checked_add reports it.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>

#include "mmu/base/check.hpp"

namespace faultline {

inline constexpr unsigned kPageShift = 12;
inline constexpr std::uint64_t kPageSize = std::uint64_t{1} << kPageShift;
inline constexpr std::uint64_t kPageMask = kPageSize - 1;

// Rounds a byte count up to whole pages; a count within a page of 2^64 saturates to 0
// exactly as Linux's PAGE_ALIGN does (callers test for that).
constexpr std::uint64_t page_align(std::uint64_t bytes) { return (bytes + kPageMask) & ~kPageMask; }

// The number of a page in some space: Vpn (virtual), Gfn (guest physical), Pgoff (file).
template <class Tag>
class PageNumber {
 public:
  constexpr PageNumber() = default;
  constexpr explicit PageNumber(std::uint64_t v) : v_(v) {}
  [[nodiscard]] constexpr std::uint64_t raw() const { return v_; }
  constexpr auto operator<=>(const PageNumber&) const = default;
  constexpr PageNumber operator+(std::uint64_t n) const {
    FL_CHECK(v_ + n >= v_);
    return PageNumber(v_ + n);
  }
  constexpr PageNumber operator-(std::uint64_t n) const {
    FL_CHECK(v_ >= n);
    return PageNumber(v_ - n);
  }
  constexpr std::uint64_t operator-(PageNumber o) const {
    FL_CHECK(v_ >= o.v_);
    return v_ - o.v_;
  }

 private:
  std::uint64_t v_ = 0;
};

// A byte address in some space. `Number` is the page-number type of the same space.
template <class Tag, class Number>
class Address {
 public:
  using PageNumberType = Number;
  constexpr Address() = default;
  constexpr explicit Address(std::uint64_t v) : v_(v) {}
  constexpr explicit Address(Number n) : v_(n.raw() << kPageShift) {}

  [[nodiscard]] constexpr std::uint64_t raw() const { return v_; }
  [[nodiscard]] constexpr Number page() const { return Number(v_ >> kPageShift); }
  [[nodiscard]] constexpr std::uint64_t page_offset() const { return v_ & kPageMask; }
  [[nodiscard]] constexpr bool page_aligned() const { return page_offset() == 0; }
  [[nodiscard]] constexpr Address page_base() const { return Address(v_ & ~kPageMask); }

  constexpr auto operator<=>(const Address&) const = default;
  constexpr Address operator+(std::uint64_t bytes) const {
    FL_CHECK(v_ + bytes >= v_);
    return Address(v_ + bytes);
  }
  constexpr Address operator-(std::uint64_t bytes) const {
    FL_CHECK(v_ >= bytes);
    return Address(v_ - bytes);
  }
  constexpr std::uint64_t operator-(Address o) const {
    FL_CHECK(v_ >= o.v_);
    return v_ - o.v_;
  }
  // Returns nothing when the sum wraps.
  [[nodiscard]] constexpr std::optional<Address> checked_add(std::uint64_t bytes) const {
    if (v_ + bytes < v_) return std::nullopt;
    return Address(v_ + bytes);
  }

 private:
  std::uint64_t v_ = 0;
};

using Vpn = PageNumber<struct VpnTag>;
using Gfn = PageNumber<struct GfnTag>;
using Pgoff = PageNumber<struct PgoffTag>;
using Gva = Address<struct GvaTag, Vpn>;                            // guest virtual
using Gpa = Address<struct GpaTag, Gfn>;                            // guest physical
using Hva = Address<struct HvaTag, PageNumber<struct HvaPageTag>>;  // host virtual

}  // namespace faultline

template <class Tag>
struct std::hash<faultline::PageNumber<Tag>> {
  std::size_t operator()(faultline::PageNumber<Tag> n) const noexcept { return std::hash<std::uint64_t>{}(n.raw()); }
};
template <class Tag, class Number>
struct std::hash<faultline::Address<Tag, Number>> {
  std::size_t operator()(faultline::Address<Tag, Number> a) const noexcept {
    return std::hash<std::uint64_t>{}(a.raw());
  }
};
