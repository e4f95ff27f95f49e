#include "mmu/base/linux_behaviour.hpp"

#include <array>
#include <charconv>

namespace faultline {

namespace {

// The last minor number of each major one that is known here.
constexpr std::array<LinuxVersion, 3> kLastMinors = {{{4, 20}, {5, 19}, kNewestLinux}};

std::optional<unsigned> number(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<LinuxVersion> parse_linux_version(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto major = number(text.substr(0, dot)), minor = number(text.substr(dot + 1));
  if (!major || !minor) return std::nullopt;
  for (const LinuxVersion& last : kLastMinors)
    if (*major == last.major && *minor <= last.minor) return LinuxVersion{*major, *minor};
  return std::nullopt;
}

LinuxBehaviour LinuxBehaviour::of(LinuxVersion version) {
  const auto since = [version](unsigned major, unsigned minor) { return version >= LinuxVersion{major, minor}; };
  return {.stack_pointer_check = !since(5, 0),
          .retry_once = !since(5, 7),
          .arch_counts_faults = !since(5, 9),
          .vma_lock = since(6, 4),
          .exec_readahead = since(6, 17),
          .fixed_noreplace = since(4, 17),
          .wipe_on_fork = since(4, 14),
          .cold_and_pageout = since(5, 4),
          .dontunmap = since(5, 7),
          .dontunmap_files = since(5, 13),
          .process_madvise = since(5, 10),
          .populate_advice = since(5, 14),
          .dontneed_locked = since(5, 18),
          .mprotect_upgrades = since(6, 1),
          .collapse = since(6, 1),
          .mseal = since(6, 10),
          .droppable = since(6, 11),
          .guard_regions = since(6, 13),
          .process_madvise_self = since(6, 13),
          .pt_reclaim = since(6, 14),
          .guard_files = since(6, 15),
          .mremap_many = since(6, 17)};
}

}  // namespace faultline
