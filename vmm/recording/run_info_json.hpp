// What a run was, as the first keys of every JSON object that tells of it.
#pragma once

#include "vmm/record/json_writer.hpp"
#include "vmm/recording/event.hpp"

namespace faultline::vmm::recording {

// faultline, backend, linux, host_kernel, cpu, command. Precondition: an object is open.
void write_run(JsonWriter& json, const RunInfo& info);

}  // namespace faultline::vmm::recording
