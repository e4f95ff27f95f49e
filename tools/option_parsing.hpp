// What the parsers of several commands share.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>

namespace faultline::tools {

// Ends the parsing with one line.
[[noreturn]] inline void usage(const std::string& message) { throw CLI::ValidationError(message); }

// Binds an option whose text one of our parsers understands.
template <class Parse, class Assign>
CLI::Option* add_parsed(CLI::App* app, const std::string& name, const std::string& help, const std::string& what,
                        Parse parse, Assign assign) {
  return app->add_option_function<std::string>(
      name,
      [name, what, parse, assign](const std::string& text) {
        const auto value = parse(text);
        if (!value) usage(fmt::format("{}: '{}' is not {}", name, text, what));
        assign(*value);
      },
      help);
}

}  // namespace faultline::tools
