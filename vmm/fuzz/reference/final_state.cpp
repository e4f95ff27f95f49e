#include "vmm/fuzz/reference/final_state.hpp"

#include <sys/mman.h>

#include "vmm/fuzz/normalise.hpp"

namespace faultline::vmm::fuzz::reference {

namespace {

SeenVma seen_vma(Vpn number, const Page& page) {
  const Traits& t = page.traits;
  const FileOperand file = t.object ? t.object->file : FileOperand::kNone;
  const auto right = [&](int bit, char letter) { return (t.prot & bit) != 0 ? letter : '-'; };
  return {.start = Gva(number).raw(),
          .end = Gva(number + 1).raw(),
          .rights = {right(PROT_READ, 'r'), right(PROT_WRITE, 'w'), right(PROT_EXEC, 'x'), t.shared ? 's' : 'p'},
          .file = file,
          .offset = file == FileOperand::kNone ? 0 : page.index << kPageShift};
}

// Most pages have no bytes of their own, or a file's as they were.
std::uint64_t hash_of(const Page& page) {
  static const std::uint64_t zeroes = content_hash(std::vector<std::byte>(kPageSize));
  const Bytes* const bytes = bytes_of(page);
  return bytes == nullptr ? zeroes : content_hash(std::as_bytes(std::span(*bytes)));
}

}  // namespace

SeenProcess final_state(const Process& process, unsigned number) {
  SeenProcess seen;
  seen.number = number;
  for (const auto& [at, page] : process.pages) {
    seen.vmas.push_back(seen_vma(at, page));
    if ((page.traits.prot & PROT_READ) == 0 || page.guard || beyond_object(page)) continue;
    seen.content.push_back({Gva(at).raw(), hash_of(page)});
  }
  normalise(seen.vmas);
  return seen;
}

}  // namespace faultline::vmm::fuzz::reference
