// Slices of one track, kept so that any two of them are apart or one inside the other: a viewer
// draws nothing else. The clock gives such slices already; a file that was tampered with does not.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace faultline::vmm::exports {

// 52 days. Viewers keep microseconds as a double, which is exact to the nanosecond up to twice this
// time; a hostile file may name any.
inline constexpr std::uint64_t kLatest = 1ULL << 52;
inline std::uint64_t bounded(std::uint64_t ns) { return std::min(ns, kLatest); }

// Nanoseconds, begin < end: a slice without length would catch no flow arrow.
struct Slice {
  std::uint64_t begin = 0, end = 0;
};

class Track {
 public:
  // The same slice, moved to begin no earlier than all that came before it have ended.
  Slice after_all(Slice wanted) {
    const Slice s = fit(wanted, end_);
    inner_.push_back(s);
    end_ = s.end;
    return s;
  }
  // The same slice, stretched around those since mark() that it touches. Where one of them leaves
  // no room to begin before it, it comes after all of them.
  Slice around(Slice wanted) {
    Slice s = fit(wanted, floor_);
    // inner_ is in order; the first that ends after s begins is the one that s may cut.
    const auto cut = std::ranges::find_if(inner_, [&](const Slice& i) { return i.end > s.begin; });
    if (cut != inner_.end() && cut->begin <= s.begin) {
      const std::uint64_t room_from = cut == inner_.begin() ? floor_ : (cut - 1)->end;
      s.begin = room_from < cut->begin ? cut->begin - 1 : end_;
    }
    s.end = std::max({s.end, s.begin + 1, end_});
    end_ = std::max(end_, s.end);
    mark();
    return s;
  }
  // What comes next does not go around anything before.
  void mark() {
    floor_ = end_;
    inner_.clear();
  }

 private:
  static Slice fit(Slice s, std::uint64_t floor) {
    s.begin = std::max(s.begin, floor);
    s.end = std::max(s.end, s.begin + 1);
    return s;
  }

  std::uint64_t floor_ = 0, end_ = 0;
  std::vector<Slice> inner_;  // since mark(), in order, none inside another
};

}  // namespace faultline::vmm::exports
