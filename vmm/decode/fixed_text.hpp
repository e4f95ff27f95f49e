// A short text stored inline, so that what holds it is plain data. Longer input keeps its
// first part and ends in "...".
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace faultline::vmm {

template <std::size_t N>
class FixedText {
  static_assert(N > 3 && N < 65536);

 public:
  FixedText() = default;
  explicit FixedText(std::string_view text) { assign(text); }
  FixedText& operator=(std::string_view text) {
    assign(text);
    return *this;
  }

  void assign(std::string_view text) {
    length_ = static_cast<std::uint16_t>(std::min(text.size(), N));
    std::copy_n(text.data(), length_, text_);
    if (text.size() > N) std::fill_n(text_ + N - 3, 3, '.');
  }
  [[nodiscard]] std::string_view view() const { return {text_, length_}; }
  [[nodiscard]] bool empty() const { return length_ == 0; }
  bool operator==(const FixedText& o) const { return view() == o.view(); }

 private:
  char text_[N] = {};
  std::uint16_t length_ = 0;
};

}  // namespace faultline::vmm
