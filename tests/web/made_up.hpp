// A recording that never was: a program that touches memory of every kind, as many faults as are
// asked for, with page tables that fit them. For the report page, whose tests need no KVM.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "vmm/recording/event.hpp"

namespace faultline::test {

class MadeUp {
 public:
  struct Options {
    std::uint64_t faults = 1000;
    // Names as a hostile program has them.
    std::string program = "/usr/bin/sample";
    std::string file = "/srv/data/table.bin";
  };
  using Take = std::function<void(const vmm::recording::Event&)>;

  MadeUp(Options options, Take take) : options_(std::move(options)), take_(std::move(take)) {}
  [[nodiscard]] vmm::recording::RunInfo info() const;
  void run();

 private:
  struct Plan;
  void emit(vmm::recording::Body body, std::uint64_t time);
  void start();
  void exit(std::uint64_t entered, std::uint64_t left, vmm::recording::ExitReason reason);
  void system_call(std::uint64_t number, std::uint64_t ns);
  void fault(const Plan& plan);
  // Walks the tables as they are, and makes those that are missing, noting what it did.
  mmu::Walk walk(Gva address);
  mmu::Pte& entry(Gva address, mmu::Level level);
  void map(vmm::recording::Fault& fault, Gva page, mmu::Pte leaf);
  Gpa slot(Gva address, mmu::Level level);
  std::uint64_t random(std::uint64_t below);

  Options options_;
  Take take_;
  std::uint64_t number_ = 0, sequence_ = 0, clock_ = 0, next_frame_ = 0x100, seed_ = 1, resident_ = 0;
  std::map<std::pair<mmu::Level, std::uint64_t>, mmu::Pte> entries_;  // by level and first address
  std::map<std::pair<mmu::Level, std::uint64_t>, std::uint64_t> tables_;
};

}  // namespace faultline::test
