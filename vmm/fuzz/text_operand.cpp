#include "vmm/fuzz/text_operand.hpp"

#include <sys/mman.h>

#include <charconv>
#include <optional>
#include <span>
#include <vector>

#include "vmm/fuzz/layout.hpp"

namespace faultline::vmm::fuzz {

namespace {

using K = OperandKind;

struct Word {
  std::string_view name;
  std::int64_t value;
};

constexpr std::array<Word, 3> kFileWords{{{"anonymous", 0}, {"disk", 1}, {"memory", 2}}};
constexpr std::array<Word, 2> kControlWords{{{"nxe", 0}, {"wp", 1}}};
constexpr std::array<Word, 3> kRemapWords{
    {{"maymove", MREMAP_MAYMOVE}, {"fixed", MREMAP_FIXED}, {"dontunmap", 4 /* MREMAP_DONTUNMAP */}}};
constexpr std::array<Word, 1> kLockWords{{{"onfault", 1 /* MLOCK_ONFAULT */}}};
constexpr std::array<Word, 3> kSyncWords{{{"async", MS_ASYNC}, {"invalidate", MS_INVALIDATE}, {"sync", MS_SYNC}}};
constexpr std::array<Word, 7> kMapWords{{{"shared", kMapShared},
                                         {"fixed", kMapFixed},
                                         {"noreplace", kMapNoReplace},
                                         {"noreserve", kMapNoReserve},
                                         {"populate", kMapPopulate},
                                         {"locked", kMapLocked},
                                         {"growsdown", kMapGrowsDown}}};
// In the order of kAbsurdLengths.
constexpr std::array<std::string_view, kAbsurdLengths.size()> kAbsurdNames{"huge", "overflow", "maximum"};

std::string hex(std::uint64_t value) {
  if (value < 10) return std::to_string(value);
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr;
  return "0x" + std::string(digits.data(), end);
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  const int base = text.starts_with("0x") ? 16 : 10;
  if (base == 16) text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Bytes as pages and what is left to the nearest page: "+2p-8". `sign`: whether to begin with a plus.
std::string bytes_text(std::int64_t bytes, bool sign) {
  constexpr auto kPage = static_cast<std::int64_t>(kPageSize);
  const std::int64_t pages = (bytes + kPage / 2 - (bytes + kPage / 2 < 0 ? kPage - 1 : 0)) / kPage;
  const std::int64_t rest = bytes - pages * kPage;
  std::string text;
  const auto term = [&](std::int64_t value, std::string digits) {
    if (value < 0) text += '-';
    if (value > 0 && (sign || !text.empty())) text += '+';
    text += digits;
  };
  if (pages != 0) term(pages, std::to_string(pages < 0 ? -pages : pages) + "p");
  if (rest != 0 || (pages == 0 && !sign)) term(rest, hex(static_cast<std::uint64_t>(rest < 0 ? -rest : rest)));
  return text;
}

// The reverse: terms with signs between them, each bytes, or pages with a p at the end. No term may be beyond 2^40.
std::optional<std::int64_t> parse_bytes(std::string_view text) {
  std::int64_t sum = 0;
  for (int terms = 0; !text.empty(); ++terms) {
    if (terms == 4) return std::nullopt;
    const bool minus = text.front() == '-';
    if (minus || text.front() == '+') text.remove_prefix(1);
    const std::size_t end = std::min(text.find_first_of("+-"), text.size());
    std::string_view number = text.substr(0, end);
    const bool pages = number.ends_with('p');
    if (pages) number.remove_suffix(1);
    const auto value = parse_number(number);
    if (!value || *value > 1ULL << 40) return std::nullopt;
    const auto bytes = static_cast<std::int64_t>(*value * (pages ? kPageSize : 1));
    sum += minus ? -bytes : bytes;
    text.remove_prefix(end);
  }
  return sum;
}

std::string address_text(std::int64_t value) {
  const Address a = unpack_address(value);
  return std::string(kPlaces[a.place].name) + bytes_text(a.offset, true);
}

std::optional<std::int64_t> parse_address(std::string_view text) {
  const std::size_t end = std::min(text.find_first_of("+-"), text.size());
  const std::string_view name = text.substr(0, end);
  const auto offset = parse_bytes(text.substr(end));
  if (!offset || *offset < -kMaxOffset || *offset > kMaxOffset) return std::nullopt;
  for (std::size_t i = 0; i < kPlaces.size(); ++i) {
    if (kPlaces[i].name == name) return pack({static_cast<std::uint8_t>(i), static_cast<std::int32_t>(*offset)});
  }
  return std::nullopt;
}

std::string length_text(std::int64_t value) {
  for (std::size_t i = 0; i < kAbsurdLengths.size(); ++i) {
    if (kAbsurdLengths[i] == static_cast<std::uint64_t>(value)) return std::string(kAbsurdNames[i]);
  }
  return bytes_text(value, false);
}

std::optional<std::int64_t> parse_length(std::string_view text) {
  for (std::size_t i = 0; i < kAbsurdLengths.size(); ++i) {
    if (kAbsurdNames[i] == text) return static_cast<std::int64_t>(kAbsurdLengths[i]);
  }
  return text.empty() || text.front() == '+' || text.front() == '-' ? std::nullopt : parse_bytes(text);
}

std::string protection_text(std::int64_t value) {
  std::string text = "---";
  for (unsigned i = 0; i < 3; ++i) {
    if ((value >> i & 1) != 0) text[i] = "rwx"[i];
  }
  return text;
}

std::optional<std::int64_t> parse_protection(std::string_view text) {
  if (text.size() != 3) return std::nullopt;
  std::int64_t value = 0;
  for (unsigned i = 0; i < 3; ++i) {
    if (text[i] == "rwx"[i])
      value |= 1 << i;
    else if (text[i] != '-')
      return std::nullopt;
  }
  return value;
}

std::string word_text(std::span<const Word> words, std::int64_t value) {
  for (const Word& w : words) {
    if (w.value == value) return std::string(w.name);
  }
  return std::to_string(value);
}

std::optional<std::int64_t> parse_word(std::span<const Word> words, std::string_view text) {
  for (const Word& w : words) {
    if (w.name == text) return w.value;
  }
  return std::nullopt;
}

// `none`: the word for no bit at all; beside others, it is allowed when it is the first.
std::string set_text(std::span<const Word> words, std::int64_t value, std::string_view none, bool always) {
  std::string text = always && (value & words.front().value) == 0 ? std::string(none) : "";
  for (const Word& w : words) {
    if ((value & w.value) != 0) text += (text.empty() ? "" : ",") + std::string(w.name);
  }
  return text.empty() ? std::string(none) : text;
}

std::optional<std::int64_t> parse_set(std::span<const Word> words, std::string_view text) {
  std::int64_t value = 0;
  while (true) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const auto bit = parse_word(words, text.substr(0, comma));
    if (!bit || (value & *bit) != 0) return std::nullopt;
    value |= *bit;
    if (comma == text.size()) return value;
    text.remove_prefix(comma + 1);
  }
}

std::optional<std::int64_t> parse_set_or_none(std::span<const Word> words, std::string_view text) {
  return text == "none" ? std::optional<std::int64_t>(0) : parse_set(words, text);
}

// Says private or shared, always.
std::optional<std::int64_t> parse_map_flags(std::string_view text) {
  constexpr std::string_view kPrivate = "private,";
  const bool is_private = text.starts_with(kPrivate);
  if (is_private) text.remove_prefix(kPrivate.size());
  const auto flags = parse_set(kMapWords, text);
  if (!flags || is_private == ((*flags & kMapShared) != 0)) return std::nullopt;
  return flags;
}

std::optional<std::int64_t> parse_advice(std::string_view text) {
  for (std::size_t i = 0; i < advice_table().size(); ++i) {
    if (advice_table()[i].name == text) return static_cast<std::int64_t>(i);
  }
  return std::nullopt;
}

std::optional<std::int64_t> parse_any(OperandKind kind, std::string_view text) {
  switch (kind) {
    case K::kNone: return std::nullopt;
    case K::kAddress: return parse_address(text);
    case K::kLength: return parse_length(text);
    case K::kBytes: return text.starts_with('-') || text.starts_with('+') ? std::nullopt : parse_bytes(text);
    case K::kProtection: return parse_protection(text);
    case K::kMapFlags: return parse_map_flags(text);
    case K::kFile: return parse_word(kFileWords, text);
    case K::kRemapFlags: return parse_set_or_none(kRemapWords, text);
    case K::kAdvice: return parse_advice(text);
    case K::kLockFlags: return parse_set_or_none(kLockWords, text);
    case K::kSyncFlags: return parse_set_or_none(kSyncWords, text);
    case K::kControl: return parse_word(kControlWords, text);
    case K::kFilePage:
    case K::kProcess:
    case K::kWidth:
    case K::kCount:
    case K::kValue:
    case K::kLevel:
    case K::kBit:
    case K::kNth: break;
  }
  const auto number = parse_number(text);
  return number && *number <= 255 ? std::optional(static_cast<std::int64_t>(*number)) : std::nullopt;
}

}  // namespace

std::string operand_text(OperandKind kind, std::int64_t value) {
  if (!legal_operand(kind, value)) return std::to_string(value);
  switch (kind) {
    case K::kAddress: return address_text(value);
    case K::kLength: return length_text(value);
    case K::kBytes: return bytes_text(value, false);
    case K::kProtection: return protection_text(value);
    case K::kMapFlags: return set_text(kMapWords, value, "private", true);
    case K::kFile: return word_text(kFileWords, value);
    case K::kRemapFlags: return set_text(kRemapWords, value, "none", false);
    case K::kAdvice: return std::string(advice_table()[static_cast<std::size_t>(value)].name);
    case K::kLockFlags: return set_text(kLockWords, value, "none", false);
    case K::kSyncFlags: return set_text(kSyncWords, value, "none", false);
    case K::kControl: return word_text(kControlWords, value);
    case K::kNone:
    case K::kFilePage:
    case K::kProcess:
    case K::kWidth:
    case K::kCount:
    case K::kValue:
    case K::kLevel:
    case K::kBit:
    case K::kNth: break;
  }
  return std::to_string(value);
}

Result<std::int64_t> parse_operand(OperandKind kind, std::string_view text) {
  const auto value = parse_any(kind, text);
  if (!value || !legal_operand(kind, *value)) return fail(std::string(legal_operands(kind)));
  return *value;
}

std::string_view operand_name(OperandKind kind) {
  static constexpr std::array<std::string_view, kOperandKinds> kNames{
      "",       "ADDRESS",    "LENGTH",     "PROTECTION", "MAP-FLAGS", "FILE",  "FILE-PAGE", "REMAP-FLAGS",
      "ADVICE", "LOCK-FLAGS", "SYNC-FLAGS", "BYTES",      "PROCESS",   "WIDTH", "COUNT",     "VALUE",
      "LEVEL",  "BIT",        "CONTROL",    "NTH"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string_view legal_operands(OperandKind kind) {
  static constexpr std::array<std::string_view, kOperandKinds> kLegal{
      "nothing",
      "an address: 512g, 1g, 2m, top, low, null, noncanonical, kernel or vsyscall, and up to 128 pages from it, as in "
      "2m+3p or top-0x10",
      "a length: bytes or pages (0x1000, 8p, 2p+1) up to 96 pages, or huge, overflow or maximum",
      "a protection: r, w and x, each or a dash in its place, as in rw-",
      "map flags: private or shared first, then fixed or noreplace, and any of noreserve, populate, locked, growsdown, "
      "with commas between them",
      "a file: anonymous, disk or memory",
      "a file's page: 0 to 31",
      "remap flags: none, or maymove, fixed and dontunmap with commas between them; maymove needs fixed",
      "an advice: normal, random, sequential, willneed, dontneed, remove, dontfork, dofork, wipeonfork, keeponfork, "
      "dontdump, dodump, populate-read, populate-write, guard-install or guard-remove",
      "lock flags: none or onfault",
      "sync flags: none, or async, invalidate and sync with commas between them",
      "a file's size: bytes or pages (0x345, 2p+1) up to 32 pages",
      "a process: 0 to 3",
      "a width: 1, 2, 4, 8 or 16",
      "a count: 1 to 64",
      "a pattern's number: 0 to 255",
      "a level: 1 to 4",
      "a bit: 0 to 6, 10, 11, 51 or 63",
      "a control bit: nxe or wp",
      "a number of an allocation: 1 to 64"};
  return kLegal[static_cast<std::size_t>(kind)];
}

}  // namespace faultline::vmm::fuzz
