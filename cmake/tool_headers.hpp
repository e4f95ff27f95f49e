// What most sources of the command line include; precompiled with FAULTLINE_PRECOMPILE.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cmake/library_headers.hpp"
