#include "tools/filter_options.hpp"

#include "tools/option_parsing.hpp"
#include "tools/size.hpp"

namespace faultline::tools {

using vmm::inspect::AddressRange;
using vmm::inspect::TimeRange;

namespace {

struct Halves {
  std::string_view left, right;
};
std::optional<Halves> split(std::string_view text, std::string_view separator) {
  const std::size_t at = text.find(separator);
  if (at == std::string_view::npos) return std::nullopt;
  return Halves{text.substr(0, at), text.substr(at + separator.size())};
}

// Bytes, in hexadecimal too.
std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  return text.starts_with("0x") || text.starts_with("0X") ? parse_address(text) : parse_size(text);
}

std::optional<std::uint64_t> parse_time(std::string_view text, std::uint64_t otherwise) {
  if (text.empty()) return otherwise;
  const auto time = parse_duration(text);
  if (!time) return std::nullopt;
  return static_cast<std::uint64_t>(time->count());
}

}  // namespace

std::optional<AddressRange> parse_address_range(std::string_view text) {
  if (const auto length = split(text, "+")) {
    const auto start = parse_address(length->left), bytes = parse_bytes(length->right);
    if (!start || !bytes || *bytes == 0) return std::nullopt;
    return AddressRange{*start, *start + *bytes < *start ? ~0ULL : *start + *bytes};
  }
  auto ends = split(text, "..");
  if (!ends) ends = split(text, "-");
  if (!ends) {
    const auto address = parse_address(text);
    if (!address) return std::nullopt;
    const std::uint64_t page = *address & ~kPageMask;
    return AddressRange{page, page + kPageSize < page ? ~0ULL : page + kPageSize};
  }
  const auto start = parse_address(ends->left), end = parse_address(ends->right);
  if (!start || !end || *start >= *end) return std::nullopt;
  return AddressRange{*start, *end};
}

std::optional<TimeRange> parse_time_range(std::string_view text) {
  const auto ends = split(text, "..");
  if (!ends || (ends->left.empty() && ends->right.empty())) return std::nullopt;
  const auto from = parse_time(ends->left, 0), to = parse_time(ends->right, ~0ULL);
  if (!from || !to || *from > *to) return std::nullopt;
  return TimeRange{*from, *to};
}

void add_filter_options(CLI::App* app, vmm::inspect::Filter& filter) {
  add_parsed(app, "--address", "Only what concerns these addresses: START..END, START+SIZE, or the page of one ADDRESS",
             "a range such as 0x401000..0x403000, 0x401000+8K or 0x401000", parse_address_range,
             [&filter](const AddressRange& range) { filter.addresses = range; })
      ->type_name("RANGE");
  app->add_option("--vma", filter.vma, "Only faults in VMAs with NAME in their name; (anonymous), (none)")
      ->type_name("NAME");
  app->add_option_function<std::vector<std::string>>(
         "--path",
         [&filter](const std::vector<std::string>& names) {
           for (const std::string& name : names) {
             const auto step = vmm::inspect::find_step(name);
             if (!step) usage(fmt::format("--path: '{}' is no step of the fault path, such as wp_page_copy", name));
             filter.steps.push_back(*step);
           }
         },
         "Only faults that went through STEP, e.g. wp_page_copy; repeated: any of them")
      ->type_name("STEP")
      ->allow_extra_args(false);
  add_parsed(app, "--outcome", "Only faults that ended so: minor, major, signal, efault, or a signal such as SIGSEGV",
             "minor, major, signal, efault or a signal's name", vmm::inspect::find_outcome,
             [&filter](vmm::inspect::Outcome outcome) { filter.outcome = outcome; })
      ->type_name("OUTCOME");
  add_parsed(app, "--process", "Only this process", "a process id", parse_count, [&filter](std::uint64_t pid) {
    if (pid > ~0U) usage(fmt::format("--process: '{}' is not a process id", pid));
    filter.process = static_cast<std::uint32_t>(pid);
  })->type_name("PID");
  add_parsed(app, "--time", "Only from FROM to TO after the start, e.g. 1.5ms..20ms, ..1s, 5ms..",
             "a span of time such as 1.5ms..20ms, ..1s or 5ms..", parse_time_range,
             [&filter](const TimeRange& range) { filter.time = range; })
      ->type_name("FROM..TO");
}

}  // namespace faultline::tools
