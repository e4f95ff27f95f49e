// make_page FAULTS OUT [PROGRAM FILE]: the report page of a made-up recording. For tests/web.
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "tests/web/made_up.hpp"
#include "vmm/report_html/html_report.hpp"

int main(int argc, char** argv) {
  using namespace faultline;
  if (argc != 3 && argc != 5) {
    std::fputs("usage: make_page FAULTS OUT [PROGRAM FILE]\n", stderr);
    return 2;
  }
  test::MadeUp::Options options;
  options.faults = std::strtoull(argv[1], nullptr, 10);
  if (argc == 5) options.program = argv[3], options.file = argv[4];
  std::optional<vmm::report_html::PageData> data;
  test::MadeUp made_up(options, [&](const vmm::recording::Event& event) { data->add(event); });
  data.emplace(made_up.info());
  made_up.run();
  const Result<std::string> page = vmm::report_html::render_page(data->finish({}));
  if (!page) {
    std::fprintf(stderr, "make_page: %s\n", page.error().message.c_str());
    return 1;
  }
  std::ofstream(argv[2], std::ios::binary) << *page;
  return 0;
}
