// Text for people, with colours where somebody looks at a terminal.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <string_view>

#include "vmm/record/format.hpp"

namespace faultline::vmm {

enum class Ink : std::uint8_t { kBold, kDim, kRed, kGreen, kYellow, kCyan };

class Painter {
 public:
  Painter(fmt::memory_buffer& out, Colour colour) : out_(out), colour_(colour) {}

  template <class... Args>
  Painter& put(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
    return *this;
  }
  Painter& raw(std::string_view text) {
    out_.append(text.data(), text.data() + text.size());
    return *this;
  }
  Painter& ink(Ink ink, std::string_view text) {
    if (colour_ == Colour::kNever) return raw(text);
    return raw(escape(ink)).raw(text).raw("\x1b[0m");
  }
  // A line's first word, filled up to a column.
  Painter& label(std::string_view name) { return ink(Ink::kDim, fmt::format("{:<11}", name)); }
  // A heading, or the columns' names of a table.
  Painter& heading(std::string_view text) { return ink(Ink::kBold, text).end(); }
  Painter& end() {
    out_.push_back('\n');
    return *this;
  }

 private:
  static constexpr std::string_view escape(Ink ink) {
    switch (ink) {
      case Ink::kBold: return "\x1b[1m";
      case Ink::kDim: return "\x1b[2m";
      case Ink::kRed: return "\x1b[31m";
      case Ink::kGreen: return "\x1b[32m";
      case Ink::kYellow: return "\x1b[33m";
      case Ink::kCyan: return "\x1b[36m";
    }
    return {};
  }
  fmt::memory_buffer& out_;
  Colour colour_;
};

}  // namespace faultline::vmm
