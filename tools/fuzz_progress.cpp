#include "tools/fuzz_progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace faultline::tools {

using vmm::fuzz::CampaignProgress;
using vmm::fuzz::Count;

namespace {

std::string clock_text(double seconds) {
  const auto s = static_cast<std::uint64_t>(seconds);
  return s < 3600 ? fmt::format("{}:{:02}", s / 60, s % 60)
                  : fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

// 1234567 as "1.23M".
std::string short_count(std::uint64_t n) {
  static constexpr std::array<char, 3> kUnits{'k', 'M', 'G'};
  if (n < 10'000) return std::to_string(n);
  auto value = static_cast<double>(n) / 1000;
  std::size_t unit = 0;
  for (; value >= 1000 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  return fmt::format("{:.{}f}{}", value, value < 10 ? 2 : value < 100 ? 1 : 0, kUnits[unit]);
}

std::size_t terminal_columns() {
  winsize size{};
  constexpr std::size_t kUsual = 80;
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsual;
}

double seconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }

// Some judge had a guest that ran or waited.
bool has_guest(const CampaignProgress& s) { return s.session[Count::kGuestNs] + s.session[Count::kGuestWaitNs] > 0; }

}  // namespace

std::string progress_line(const CampaignProgress& s, std::size_t columns) {
  const std::array<std::string, 8> parts{
      clock_text(s.seconds),
      short_count(s.session[Count::kPrograms]) + " programs",
      fmt::format("{:.0f}/s", s.rate()),
      fmt::format("{} finding{}", s.session[Count::kFindings], s.session[Count::kFindings] == 1 ? "" : "s"),
      fmt::format("coverage {:.1f}%", s.coverage.percent()),
      fmt::format("corpus {}", s.corpus),
      short_count(s.session[Count::kFaults]) + " faults",
      has_guest(s) ? fmt::format("guest {:.0f}%", s.in_guest()) : std::string(),
  };
  std::string line = parts.front();
  for (std::size_t i = 1; i < parts.size() && line.size() + 2 + parts[i].size() < columns; ++i)
    if (!parts[i].empty()) line += "  " + parts[i];
  return line;
}

FuzzProgress::FuzzProgress() : terminal_(::isatty(STDERR_FILENO) == 1) {}

FuzzProgress::~FuzzProgress() { clear(); }

void FuzzProgress::clear() const {
  if (terminal_) std::fputs("\r\x1b[K", stderr);
}

void FuzzProgress::print(const std::string& line) {
  clear();
  std::fputs((line + "\n").c_str(), stderr);
  std::fflush(stderr);
}

void FuzzProgress::progress(const CampaignProgress& snapshot) {
  constexpr double kPlainEvery = 10;
  constexpr std::size_t kPlainColumns = 200;
  if (terminal_) {
    std::fputs(("\r" + progress_line(snapshot, terminal_columns()) + "\x1b[K").c_str(), stderr);
    std::fflush(stderr);
  } else if (snapshot.seconds - printed_ >= kPlainEvery) {
    printed_ = snapshot.seconds;
    print(progress_line(snapshot, kPlainColumns));
  }
}

void FuzzProgress::finding(const std::string& folder, const std::string& line) {
  print(fmt::format("finding: {}\n  {}", line, folder));
}

void FuzzProgress::note(const std::string& line) { print("faultline: " + line); }

std::string time_text(const CampaignProgress& s) {
  const double all = s.seconds * s.started;
  std::string text = fmt::format("time, of {} job{} of {:.1f} s\n", s.started, s.started == 1 ? "" : "s", s.seconds);
  const auto add = [&](std::string_view name, std::uint64_t ns, const std::string& more = {}) {
    text += fmt::format("  {:<16} {:5.1f}%  {:8.2f} s{}{}\n", name, all == 0 ? 0 : 100 * seconds(ns) / all, seconds(ns),
                        more.empty() ? "" : "  ", more);
  };
  const auto count = [&](Count c) { return s.session[c]; };
  const auto each = [&](std::uint64_t n, std::uint64_t of) {
    return of == 0 ? 0 : static_cast<double>(n) / static_cast<double>(of);
  };
  for (std::size_t i = 0; i < s.names.judges.size(); ++i) {
    const auto& judge = s.session.judges[i];
    add(s.names.judges[i], judge.ns,
        fmt::format("{} runs{}", judge.programs, judge.errors == 0 ? "" : fmt::format(", {} failed", judge.errors)));
  }
  if (has_guest(s)) {
    add("in guest", count(Count::kGuestNs),
        fmt::format("{:.1f} entries a program, {:.1f} lists of accesses behind one another",
                    each(count(Count::kEntries), count(Count::kPrograms)),
                    each(count(Count::kListEnds) + count(Count::kInnerEnds), count(Count::kListEnds))));
    add("guest's control", count(Count::kControlNs),
        fmt::format("registers, translations dropped: all of them {} times", count(Count::kDrops)));
    add("guest's waiting", count(Count::kGuestWaitNs), "for programs");
  }
  add("generate", count(Count::kGenerateNs));
  add("compare", count(Count::kCompareNs));
  add("relations", count(Count::kRelationNs), fmt::format("{} runs", count(Count::kRelations)));
  add("shrink", count(Count::kShrinkNs));
  add("files", count(Count::kFilesNs));
  if (has_guest(s)) add("waiting", count(Count::kWaitNs), "for the guest");
  return text;
}

std::string closing_text(const vmm::fuzz::CampaignEnd& end, const std::string& folder) {
  const CampaignProgress& s = end.last;
  fmt::memory_buffer out;
  const auto add = [&out](const std::string& line) { fmt::format_to(std::back_inserter(out), "{}\n", line); };
  add(fmt::format("{} programs, {} steps, {} faults in {:.1f} s ({:.0f} programs a second)",
                  s.session[Count::kPrograms], s.session[Count::kSteps], s.session[Count::kFaults], s.seconds,
                  s.rate()));
  add(fmt::format("coverage {:.1f}% ({} of {} combinations), corpus {}", s.coverage.percent(), s.coverage.met,
                  s.coverage.of, s.corpus));
  out.append(time_text(s));
  for (std::size_t i = 0; i < s.names.rules.size() && i < vmm::fuzz::kMaxRules; ++i) {
    if (s.session.rules[i] != 0) add(fmt::format("known {}: {}", s.names.rules[i], s.session.rules[i]));
  }
  add(fmt::format("findings {} ({} again), noise {}, jobs that died {}; in {}: {}", s.session[Count::kFindings],
                  s.session[Count::kDuplicates], s.session[Count::kNoise], s.session[Count::kCrashes], folder,
                  s.findings));
  return fmt::to_string(out);
}

}  // namespace faultline::tools
