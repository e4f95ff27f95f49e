// Somebody who wants to know of every fault: user code's, and those that system calls take on
// its behalf. Without one, nothing is recorded and nothing costs.
#pragma once

namespace faultline::mmu {

class AddressSpace;
class EditLog;
struct FaultRequest;
struct FaultOutcome;

class FaultObserver {
 public:
  virtual ~FaultObserver() = default;
  // Before anything is looked at. Entries changed are added to the log returned, which must
  // live until ended(); null: not wanted.
  virtual EditLog* began(const AddressSpace& mm, const FaultRequest& request) = 0;
  // The VMA was found and allows the access; page tables are edited next.
  virtual void decided() = 0;
  virtual void ended(const AddressSpace& mm, const FaultRequest& request, const FaultOutcome& outcome) = 0;
};

}  // namespace faultline::mmu
