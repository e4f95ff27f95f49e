// A teardown, told to whoever mirrors the page tables (Linux mmu_notifier_invalidate_range_start
// and _end). For the time that the object lives.
#pragma once

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

class NotifierRange {
 public:
  NotifierRange(const AddressSpace& mm, NotifierEvent event, Gva start, Gva end)
      : mm_(mm), event_(event), start_(start), end_(end) {
    if (mm_.notifier != nullptr && start_ < end_) mm_.notifier->range_start(mm_, event_, start_, end_);
  }
  ~NotifierRange() {
    if (mm_.notifier != nullptr && start_ < end_) mm_.notifier->range_end(mm_, event_, start_, end_);
  }
  NotifierRange(const NotifierRange&) = delete;
  NotifierRange& operator=(const NotifierRange&) = delete;

 private:
  const AddressSpace& mm_;
  NotifierEvent event_;
  Gva start_, end_;
};

}  // namespace faultline::mmu
