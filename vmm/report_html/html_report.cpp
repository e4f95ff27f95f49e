#include "vmm/report_html/html_report.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "vmm/report_html/pack.hpp"

// The page without data, made by web/: page.S. Empty in a build without npm.
extern "C" const char faultline_report_page_begin[], faultline_report_page_end[];

namespace faultline::vmm::report_html {

namespace {

// Where the data goes; the page has it once.
constexpr std::string_view kPlace = "@FAULTLINE_DATA@";

constexpr const char* kWithout =
    "this faultline was built without its report page: install nodejs and npm (tools/deps) and build again with the "
    "npm "
    "registry in reach";

std::string_view page_template() {
  return {faultline_report_page_begin,
          static_cast<std::size_t>(faultline_report_page_end - faultline_report_page_begin)};
}

Result<void> write_file(const std::string& path, std::string_view text) {
  const bool standard = path == "-";
  std::FILE* file = standard ? stdout : std::fopen(path.c_str(), "wb");
  if (file == nullptr) return fail("cannot write " + path + ": " + std::strerror(errno));
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size() && std::fflush(file) == 0;
  int error = errno;
  if (!standard && std::fclose(file) != 0 && written) return fail("cannot write " + path + ": " + std::strerror(errno));
  if (written) return {};
  if (!standard) std::remove(path.c_str());
  return fail("cannot write " + path + ": " + std::strerror(error));
}

}  // namespace

Result<std::string> render_page(std::string_view data) {
  const std::string_view page = page_template();
  const std::size_t at = page.find(kPlace);
  if (at == std::string_view::npos) return fail(kWithout);
  const Result<std::string> packed = deflate_raw(data);
  if (!packed) return fail(packed.error().message);
  const std::string letters = base64(*packed);
  std::string out;
  out.reserve(page.size() + letters.size());
  out.append(page.substr(0, at)).append(letters).append(page.substr(at + kPlace.size()));
  return out;
}

Result<void> write_html_report(recording::Reader& reader, const std::string& out, Limits limits) {
  if (page_template().find(kPlace) == std::string_view::npos) return fail(kWithout);
  PageData data(reader.info(), limits);
  while (const auto event = reader.next()) data.add(*event);
  const Result<std::string> page = render_page(data.finish(reader.problem()));
  if (!page) return fail(page.error().message);
  return write_file(out, *page);
}

}  // namespace faultline::vmm::report_html
