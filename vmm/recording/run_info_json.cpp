#include "vmm/recording/run_info_json.hpp"

namespace faultline::vmm::recording {

void write_run(JsonWriter& json, const RunInfo& info) {
  json.key("faultline").string(info.faultline_version);
  json.key("backend").string(info.backend);
  json.key("linux").string(info.linux_behaviour);
  json.key("host_kernel").string(info.host_kernel);
  json.key("cpu").string(info.cpu);
  json.key("command").begin_array();
  for (const std::string& word : info.command) json.string(word);
  json.end_array();
}

}  // namespace faultline::vmm::recording
