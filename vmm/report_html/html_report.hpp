// `faultline inspect --html`: a recording as one page that needs nothing but a browser.
// docs/html-report.md
#pragma once

#include <string>
#include <string_view>

#include "mmu/base/result.hpp"
#include "vmm/recording/reader.hpp"
#include "vmm/report_html/page_data.hpp"

namespace faultline::vmm::report_html {

// Writes the page of the rest of a recording, "-": to standard output. A recording that ends early
// gives a page of what is good, which says so. Error: the page cannot be written, or Faultline
// was built without it.
Result<void> write_html_report(recording::Reader& reader, const std::string& out, Limits limits = {});

// The page around `data`, which PageData::finish() made. Error: built without the page.
Result<std::string> render_page(std::string_view data);

}  // namespace faultline::vmm::report_html
