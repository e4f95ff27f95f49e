// Gives the terminal back when the process dies of a fault of its own, an abort included: without
// this the message that says why would be lost, and the shell left without echo.
#pragma once

#include <termios.h>

namespace faultline::tui {

// From here on. `modes`: the terminal's before anything changed them. Precondition: terminfo is loaded.
void arm_rescue(const termios& modes);
void disarm_rescue();

}  // namespace faultline::tui
