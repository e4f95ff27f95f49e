// `faultline inspect`: looks at a recording.
#include <fmt/format.h>
#include <unistd.h>

#include "tools/commands.hpp"
#include "tools/complain.hpp"
#include "tools/export_command.hpp"
#include "tools/files.hpp"
#include "tools/guest.hpp"
#include "tools/inspect_views.hpp"
#include "tools/tui/tui.hpp"
#include "vmm/record/printable.hpp"
#include "vmm/report_html/html_report.hpp"
#include "vmm/run/exit_status.hpp"

namespace faultline::tools {

namespace {

using vmm::recording::Reader;

// Null after a line on standard error.
std::unique_ptr<Reader> open(const std::string& file) {
  auto reader = Reader::open(file);
  if (reader) return std::move(*reader);
  complain(vmm::printable(reader.error().message));
  return nullptr;
}

// Whether the recording is whole; says so when it is not.
bool whole(const Reader& reader, const std::string& file) {
  if (reader.problem().empty()) return true;
  complain(vmm::printable(fmt::format("{}: {}", file, reader.problem())));
  return false;
}

}  // namespace

int inspect_command(const InspectOptions& options) {
  if (same_file(options.out, options.file))
    return complain_with(vmm::kExitUsage, options.out + " is the recording: give another name to write to");
  const auto reader = open(options.file);
  if (!reader) return vmm::kExitUsage;
  const bool two = options.view == InspectView::kDiff;
  const auto other = two ? open(options.other) : nullptr;
  if (two && !other) return vmm::kExitUsage;

  if (options.view == InspectView::kTui) return tui::show_recording(*reader, options.file, options.filter);
  if (options.view == InspectView::kHtml) {
    const auto written = vmm::report_html::write_html_report(*reader, options.out);
    if (!written) complain(vmm::printable(written.error().message));
    const bool all = whole(*reader, options.file);
    return !written ? vmm::kExitHarness : all ? 0 : kInspectTorn;
  }
  if (options.view == InspectView::kTrace || options.view == InspectView::kFolded) {
    const ExportFormat format = options.view == InspectView::kTrace ? ExportFormat::kTrace
                                : options.counts                    ? ExportFormat::kFoldedCounts
                                                                    : ExportFormat::kFolded;
    const int status = export_recording(*reader, options.filter, format, options.out);
    return whole(*reader, options.file) || status != 0 ? status : kInspectTorn;
  }

  Output output;
  const vmm::Colour colour = colour_for(STDOUT_FILENO);
  int status = two ? show_diff(*reader, *other, options, colour, output) : show_view(*reader, options, colour, output);
  if (const int failed = output.finish(); failed != 0) return failed;
  const bool all =
      static_cast<int>(whole(*reader, options.file)) & static_cast<int>(!two || whole(*other, options.other));
  // What is not there may be in what is missing.
  if (!all && (status == 0 || !two)) status = kInspectTorn;
  return status;
}

}  // namespace faultline::tools
