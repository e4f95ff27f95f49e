#include "vmm/gdb/breakpoints.hpp"

#include "vmm/gdb/guest_memory.hpp"

namespace faultline::vmm::gdb {

namespace {
constexpr std::byte kInt3{0xcc};
}

bool Breakpoints::add(Gva address, BreakKind kind) {
  if (points_.size() >= kMost && !points_.contains(address)) return false;
  (kind == BreakKind::kSoftware ? points_[address].software : points_[address].hardware) = true;
  return true;
}

void Breakpoints::remove(Gva address, BreakKind kind) {
  const auto it = points_.find(address);
  if (it == points_.end()) return;
  (kind == BreakKind::kSoftware ? it->second.software : it->second.hardware) = false;
  if (!it->second.software && !it->second.hardware) points_.erase(it);
}

void Breakpoints::put_in(const mmu::AddressSpace& mm) {
  in_.clear();
  for (const auto& [address, asked] : points_) {
    const std::span<std::byte> bytes = mapped_bytes(mm, address);
    if (bytes.empty()) continue;
    in_.push_back({address, bytes.data(), bytes[0], asked.software ? BreakKind::kSoftware : BreakKind::kHardware});
    bytes[0] = kInt3;
  }
}

// Backwards: two addresses may be the same byte of a file.
void Breakpoints::take_out() {
  for (auto in = in_.rbegin(); in != in_.rend(); ++in)
    if (*in->where == kInt3) *in->where = in->before;
}

const BreakKind* Breakpoints::hit(Gva address) const {
  for (const In& in : in_)
    if (in.address == address) return &in.kind;
  return nullptr;
}

}  // namespace faultline::vmm::gdb
