#include "tests/differential/judge/guest_faults.hpp"

#include <cstdint>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

namespace faultline::test {
namespace {

std::uint64_t number(const nlohmann::json& value) {
  return std::stoull(value.get_ref<const std::string&>(), nullptr, 16);
}

}  // namespace

GuestFaults guest_faults(const std::string& log, std::string& problem) {
  GuestFaults faults;
  FaultHistory& history = faults.history;
  std::ifstream file(log);
  if (!file) problem = "no fault log was written";
  std::map<std::int64_t, std::size_t> place;
  std::uint64_t expected = 0;
  for (std::string line; std::getline(file, line);) {
    const auto record = nlohmann::json::parse(line, nullptr, false);
    if (!record.is_object()) {
      problem = "not a record: " + line.substr(0, 200);
      break;
    }
    if (!record.contains("address")) continue;  // the report of a fault that killed
    if (record["sequence"].get<std::uint64_t>() != ++expected)
      problem = "the log misses record " + std::to_string(expected);
    if (record["origin"] == "kernel" && record["outcome"]["end"] == "efault") faults.copies_failed = true;
    if (record["origin"] != "user") continue;
    const auto [it, fresh] = place.try_emplace(record["process"].get<std::int64_t>(), history.size());
    if (fresh) history.emplace_back();
    history[it->second].push_back({number(record["address"]), number(record["ip"]), number(record["error"]["code"])});
  }
  if (history.empty()) history.emplace_back();
  return faults;
}

std::uint64_t guest_page_faults(const std::string& statistics, std::string& problem) {
  std::ifstream file(statistics);
  const auto document = nlohmann::json::parse(file, nullptr, false);
  const nlohmann::json::json_pointer counter("/faults/perf");
  if (!document.is_object() || !document.contains(counter)) {
    problem = "no statistics were written";
    return 0;
  }
  return document[counter].get<std::uint64_t>();
}

}  // namespace faultline::test
