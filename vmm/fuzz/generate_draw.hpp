// Draws operands that are likely to matter, by what a Picture shows: addresses at the edges of
// what is mapped, where something happened lately, in holes, at the end of a file, at the
// boundaries of table spans, and where no address should be.
#pragma once

#include <cstdint>
#include <optional>
#include <random>

#include "vmm/fuzz/generate_picture.hpp"

namespace faultline::vmm::fuzz {

class Draw {
 public:
  // All three outlive it. `home`: the window where most things happen; `windows`: how many there are.
  Draw(std::mt19937_64& random, const Picture& picture, unsigned home, unsigned windows)
      : random_(random), picture_(picture), home_(home), windows_(windows) {}

  // A legal operation.
  [[nodiscard]] Operation operation(Op op);
  // Gives operand `i` of `operation` another value, as if it were drawn; the operation is legal after it.
  void redraw(Operation& operation, std::size_t i);

  // 0 to `end` - 1.
  [[nodiscard]] std::uint64_t below(std::uint64_t end) { return random_() % end; }
  [[nodiscard]] bool percent(unsigned chance) { return below(100) < chance; }

 private:
  [[nodiscard]] std::int64_t operand(const Operation& operation, std::size_t i);
  [[nodiscard]] std::int64_t address(const Operation& operation, std::size_t i);
  [[nodiscard]] std::int64_t length(const Operation& operation, std::size_t i);
  [[nodiscard]] std::int64_t map_flags();
  [[nodiscard]] std::int64_t file_size();
  [[nodiscard]] std::int64_t process();
  // Where something begins or ends: whole pages.
  [[nodiscard]] std::uint64_t point();
  [[nodiscard]] std::uint64_t point_of_region();
  [[nodiscard]] std::uint64_t point_of_window();
  [[nodiscard]] std::uint64_t free_point();
  [[nodiscard]] std::int64_t hostile_address();
  [[nodiscard]] std::uint64_t some_length();
  [[nodiscard]] std::uint64_t new_length(const Operation& operation);
  // Some bytes from a point, for an access of `width` bytes.
  [[nodiscard]] std::uint64_t bytes_from_point(std::uint64_t width);
  [[nodiscard]] std::int64_t access_address(const Operation& operation, std::size_t i);
  [[nodiscard]] bool allows(std::uint64_t address, int rights) const;

  std::mt19937_64& random_;
  const Picture& picture_;
  unsigned home_, windows_;
};

// An address as a place and bytes from it; nothing when no place is near.
[[nodiscard]] std::optional<Address> from_place(std::uint64_t address);
// Mends what goes beyond single operands: the operation is legal when each operand is.
void mend(Operation& operation);

}  // namespace faultline::vmm::fuzz
