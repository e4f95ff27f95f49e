// What most tests include; precompiled with FAULTLINE_PRECOMPILE.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cmake/library_headers.hpp"
