// Gives the terminal back when the process dies of a fault of its own, an abort included: without
// this the message that says why would be lost, and the shell left without echo.
#pragma once

namespace faultline::tui {

// From here on. Precondition: the terminal has not been changed yet, terminfo is loaded.
void arm_rescue();
void disarm_rescue();

}  // namespace faultline::tui
