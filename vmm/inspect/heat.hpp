// Which pages fault, and how often: counts by process, VMA and page. Memory grows with the number
// of different pages.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "vmm/inspect/rows.hpp"
#include "vmm/record/format.hpp"
#include "vmm/recording/event.hpp"

namespace faultline::vmm::inspect {

struct PageHeat {
  std::uint64_t faults = 0, writes = 0, major = 0, failed = 0;  // failed: a signal, or -EFAULT
  std::uint64_t first_ns = 0, last_ns = 0;
  std::string path;  // of the last one
};

// A VMA, or what became of it: areas of one name and one set of rights
// that overlap or touch are one.
struct AreaHeat {
  std::uint32_t process = 0;
  std::string program;
  std::string name;   // vma_name()
  std::string flags;  // "rw-p"; empty without a VMA
  Vpn start, end;     // holds all of `pages`
  std::uint64_t faults = 0;
  std::map<Vpn, PageHeat> pages;  // those that faulted

  [[nodiscard]] std::uint64_t page_count() const { return end - start; }
};

class Heat {
 public:
  // Faults are counted; other events say which program a process runs.
  void add(const recording::Event& event);
  // For a filter: the same, but a fault is not counted.
  void note_process(const recording::Event& event);
  // By process, program and address.
  [[nodiscard]] std::vector<const AreaHeat*> areas() const;
  [[nodiscard]] std::uint64_t faults() const { return faults_; }

 private:
  AreaHeat& area_of(std::uint32_t process, const FaultRecord& record);

  // A process that executes another program has another address space.
  struct Space {
    std::uint32_t process = 0;
    std::string program;
    std::map<std::string, std::map<Vpn, AreaHeat>> areas;  // by rights and name, then start
  };
  std::map<std::uint32_t, std::size_t> current_;  // index in spaces_, by process
  std::vector<Space> spaces_;
  std::uint64_t faults_ = 0;
};

// A map of each area, one sign a page or a run of pages, and the `top` pages with most faults (0: all).
void append_heat_text(fmt::memory_buffer& out, const Heat& heat, std::size_t top, Colour colour);
// A row for each page.
void append_heat_rows(RowWriter& rows, const Heat& heat);

}  // namespace faultline::vmm::inspect
