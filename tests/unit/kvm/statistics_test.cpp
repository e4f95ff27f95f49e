#include "vmm/kvm/statistics.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>
#include <string>

#include "vmm/kvm/kvm_header.hpp"

namespace faultline::vmm::kvm {
namespace {

constexpr std::size_t kNameBytes = 48, kStride = sizeof(kvm_stats_desc) + kNameBytes;

struct Counter {
  std::string name;
  std::uint32_t flags = 0;
  std::int16_t exponent = 0;
  std::vector<std::uint64_t> values;
};

template <class T>
void put(std::vector<std::byte>& bytes, std::size_t at, const T& value) {
  if (bytes.size() < at + sizeof value) bytes.resize(at + sizeof value);
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

// The file that KVM's descriptor would give.
std::vector<std::byte> file_of(const std::vector<Counter>& counters) {
  std::vector<std::byte> bytes;
  kvm_stats_header header{};
  header.name_size = kNameBytes;
  header.num_desc = static_cast<std::uint32_t>(counters.size());
  header.id_offset = sizeof header;
  header.desc_offset = sizeof header + kNameBytes;
  header.data_offset = static_cast<std::uint32_t>(header.desc_offset + counters.size() * kStride);
  put(bytes, 0, header);
  std::uint32_t offset = 0;
  for (std::size_t i = 0; i < counters.size(); ++i) {
    const std::size_t at = header.desc_offset + i * kStride;
    put(bytes, at, counters[i].flags);
    put(bytes, at + 4, counters[i].exponent);
    put(bytes, at + 6, static_cast<std::uint16_t>(counters[i].values.size()));
    put(bytes, at + 8, offset);
    put(bytes, at + 12, std::uint32_t{5});
    std::array<char, kNameBytes> name{};
    counters[i].name.copy(name.data(), name.size() - 1);
    put(bytes, at + 16, name);
    for (const std::uint64_t value : counters[i].values) {
      put(bytes, header.data_offset + offset, value);
      offset += sizeof value;
    }
  }
  return bytes;
}

const std::vector<Counter> kCounters = {
    {"exits", KVM_STATS_TYPE_CUMULATIVE, 0, {49}},
    {"poll_ns", KVM_STATS_TYPE_LOG_HIST | KVM_STATS_UNIT_SECONDS, -9, {1, 2, 3}},
    {"pages", KVM_STATS_TYPE_INSTANT | KVM_STATS_UNIT_BYTES | KVM_STATS_BASE_POW2, 12, {7}},
    {"of a later kernel", 0xf, 0, {1}}};

TEST(KvmStatistics, NamesUnitsAndValues) {
  const auto all = parse_statistics(file_of(kCounters));
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 3u);
  EXPECT_EQ((*all)[0].name, "exits");
  EXPECT_EQ((*all)[0].values, std::vector<std::uint64_t>{49});
  EXPECT_TRUE((*all)[1].histogram());
  EXPECT_EQ((*all)[1].unit, StatisticUnit::kSeconds);
  EXPECT_EQ((*all)[1].exponent, -9);
  EXPECT_EQ((*all)[1].values, (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ((*all)[2].kind, StatisticKind::kInstant);
  EXPECT_EQ((*all)[2].unit, StatisticUnit::kBytes);
  EXPECT_TRUE((*all)[2].power_of_two);
}

TEST(KvmStatistics, WhatMakesNoSenseIsRefused) {
  const auto whole = file_of(kCounters);
  for (std::size_t n = 0; n < whole.size() - 8; ++n) EXPECT_FALSE(parse_statistics(std::span(whole).first(n))) << n;
  std::mt19937 random(5);
  for (int round = 0; round < 5000; ++round) {
    auto bytes = whole;
    for (int i = 0; i < 4; ++i) bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    const auto all = parse_statistics(bytes);  // whatever comes of it
    EXPECT_TRUE(all || !all.error().message.empty());
  }
}

}  // namespace
}  // namespace faultline::vmm::kvm
