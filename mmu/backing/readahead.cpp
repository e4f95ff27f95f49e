#include "mmu/backing/readahead.hpp"

#include <algorithm>
#include <bit>

namespace faultline::mmu {

namespace {

constexpr unsigned kLotsOfMisses = 100;  // MMAP_LOTSAMISS
constexpr std::uint64_t kHugePages = 512;

// MADV_HUGEPAGE: two huge pages, or the one where the page is.
ReadaheadWindow huge_window(ReadaheadState& state, const ReadaheadRequest& request) {
  state.size = request.random ? kHugePages : 2 * kHugePages;
  state.async_size = kHugePages;
  state.order = 9;
  return {request.page.raw() & ~(kHugePages - 1), state.size, state.async_size};
}

// MADV_SEQUENTIAL: as much as there may be (Linux page_cache_sync_ra for ra_pages). Only a stream
// from the file's start is remembered.
ReadaheadWindow sequential_window(ReadaheadState& state, Pgoff page, std::uint64_t most) {
  if (page.raw() != 0) return {page.raw(), most, 0};
  state.start = 0;
  state.size = most;
  state.async_size = most / 2;
  state.order = 0;
  return {0, state.size, state.async_size};
}

// Linux get_next_ra_size.
std::uint64_t next_size(std::uint64_t size, std::uint64_t most) {
  if (size < most / 16) return 4 * size;
  return size <= most / 2 ? 2 * size : most;
}

}  // namespace

ReadaheadWindow sync_readahead(ReadaheadState& state, const ReadaheadRequest& request, std::uint64_t most) {
  if (request.huge) return huge_window(state, request);
  if ((request.random && !request.executable) || most == 0) return {};
  if (request.sequential) return sequential_window(state, request.page, most);
  if (state.misses < 10 * kLotsOfMisses) ++state.misses;
  if (state.misses > kLotsOfMisses) return {};
  const std::uint64_t page = request.page.raw();
  state.order = 0;
  if (request.executable) {
    state.start = page;
    state.size = std::min(page + most, request.area_end.raw()) - page;
    state.async_size = 0;
  } else {
    state.start = page - std::min(page, most / 2);
    state.size = most;
    state.async_size = most / 4;
  }
  return {state.start, state.size, state.async_size};
}

ReadaheadWindow async_readahead(ReadaheadState& state, Pgoff page, std::uint64_t most,
                                const std::function<Pgoff(Pgoff, std::uint64_t)>& next_miss) {
  if (most == 0) return {};
  if (page.raw() == state.start + state.size - state.async_size) {
    // The stream that the mark was made for.
    state.start += state.size;
    state.size = std::max(state.size, next_size(state.size, most));
  } else {
    const std::uint64_t miss = next_miss(page + 1, most).raw();
    if (miss - page.raw() > most) return {};
    state.start = miss;
    state.size = next_size(miss - page.raw() + most, most);
  }
  state.order += 2;
  const unsigned most_order = static_cast<unsigned>(std::countr_zero(most));
  const std::uint64_t align = std::uint64_t{1} << std::min(state.order, most_order);
  const std::uint64_t end = state.start + state.size, aligned = end & ~(align - 1);
  if (aligned > state.start) state.size -= end - aligned;
  state.async_size = state.size;
  return {state.start, state.size, state.async_size};
}

void readahead_hits(ReadaheadState& state, std::uint64_t pages) {
  state.misses -= static_cast<unsigned>(std::min<std::uint64_t>(pages, state.misses));
}

}  // namespace faultline::mmu
