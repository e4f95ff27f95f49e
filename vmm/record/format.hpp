// Writes a fault record as text for people or as one line of JSON. Both append to a buffer that
// the caller reuses; neither allocates once the buffer has grown.
#pragma once

#include <fmt/format.h>

#include "vmm/record/fault_record.hpp"

namespace faultline::vmm {

enum class Colour : std::uint8_t { kNever, kAlways };

// "version" of the JSON form; changes when a field changes its meaning or goes.
inline constexpr unsigned kFaultRecordVersion = 1;

// Several lines, the first begins with "fault". Ends in a newline.
void append_text(fmt::memory_buffer& out, const FaultRecord& record, Colour colour = Colour::kNever);
// One line with the newline, valid against docs/fault-record.schema.json.
void append_json(fmt::memory_buffer& out, const FaultRecord& record);

}  // namespace faultline::vmm
