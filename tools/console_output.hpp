// What a guest's console prints, on standard output.
#pragma once

#include <functional>
#include <string_view>
#include <utility>

namespace faultline::tools {

class ConsoleOutput {
 public:
  // From here on a write that a signal interrupts is given up when `ending` says so: a reader that
  // reads no more does not keep a guest from ending.
  void give_up_when(std::function<bool()> ending) { ending_ = std::move(ending); }
  // Nothing more is written once a write failed.
  void write(std::string_view text);
  // `status`; or, said on standard error, that of a harness that failed where the output is not all
  // there. A reader that is gone is nobody's failure.
  [[nodiscard]] int finish(int status) const;

 private:
  std::function<bool()> ending_;
  int error_ = 0;  // the errno of the write that failed
};

}  // namespace faultline::tools
