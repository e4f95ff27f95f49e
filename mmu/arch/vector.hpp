// Exception vectors. SDM vol. 3A, "Exception and Interrupt Vectors".
#pragma once

namespace faultline::mmu {

namespace vector {

inline constexpr unsigned kDebug = 1, kBreakpoint = 3, kInvalidOpcode = 6, kDoubleFault = 8, kStackFault = 12,
                          kGeneralProtection = 13, kPageFault = 14;

}  // namespace vector

}  // namespace faultline::mmu
