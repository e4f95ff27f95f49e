// Turns the events of a recording into what the report page shows: tables of faults, edits,
// VMAs over time, exits, system calls, signals, counters. Nothing is judged here; the page does
// the counting, so that its figures can follow a filter.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "vmm/record/json_writer.hpp"
#include "vmm/recording/event.hpp"
#include "vmm/report_html/columns.hpp"

namespace faultline::vmm::report_html {

// How many rows of each table a page may have: a browser keeps them all in memory. What comes
// later is counted as left out, and the page says so.
struct Limits {
  std::size_t faults = 1'000'000;
  std::size_t edits = 4'000'000;
  std::size_t vmas = 1'000'000;
  std::size_t exits = 2'000'000;
  std::size_t syscalls = 1'000'000;
  std::size_t signals = 100'000;
  std::size_t counters = 500'000;
  std::size_t spaces = 100'000;
};

class PageData {
 public:
  explicit PageData(const recording::RunInfo& info, Limits limits = {});

  void add(const recording::Event& event);
  // The bytes for the page: the length of a JSON header in 4 bytes, little-endian, the header, the
  // columns in its order. `problem`: why the recording ends early, empty if it does not. Once only.
  [[nodiscard]] std::string finish(std::string_view problem);

  [[nodiscard]] std::size_t faults() const { return faults_.event.low.rows(); }

 private:
  // The tables under one root, from the first event about them until their process has left them
  // by exec or exit. Before it took them, and for good if none did, process is 0.
  struct Space {
    std::uint64_t root = 0;
    std::uint32_t process = 0, parent = 0, program = 0;
    std::uint64_t from = 0, to = 0;  // events; to 0: to the end
    int status = -1;
    unsigned users = 0;                         // processes: two after vfork
    std::map<std::uint64_t, std::size_t> vmas;  // start -> row of vma_rows_
  };
  // A VMA as it was from one event to another.
  struct VmaRow {
    std::uint32_t space = 0, vma = 0, operation = 0;
    std::uint64_t from = 0, to = 0;
  };
  struct Faults {
    WideColumn event, time, ip, address, offset, signal_address;
    Column sequence, process, space, origin, error, error_text, instruction, bytes, operand, verdict, differ, flags,
        vma, path, tlb, end, signal, signal_code, guest, exit, decide, edit, resume, blame_level, blame_bit, walk_end,
        walk_count, first_edit, edits, edits_left_out, allocated, copied;
    WideColumn slot[mmu::kMaxLevel], entry[mmu::kMaxLevel];  // of each step of the walk, top first
    WideColumn frames;                                       // allocated, then pairs of copied from and to
  };
  struct Edits {
    WideColumn event, address, slot, before, after;
    Column space, level;
  };
  struct Exits {
    WideColumn entered, left;
    Column reason, space;
  };
  struct Syscalls {
    WideColumn event, time;
    Column duration, name, result, space, blocked;
  };
  struct Signals {
    WideColumn event, time, address;
    Column number, name, code, action, space;
  };
  struct Counters {
    WideColumn time, rss, tables, free;
    Column space;
  };
  struct LeftOut {
    std::uint64_t faults = 0, edits = 0, vmas = 0, exits = 0, syscalls = 0, signals = 0, counters = 0, spaces = 0;
  };

  void take(const recording::Event& event, const recording::Exit& exit);
  void take(const recording::Event& event, const recording::Fault& fault);
  void take(const recording::Event& event, const recording::Syscall& call);
  void take(const recording::Event& event, const recording::Signal& signal);
  void take(const recording::Event& event, const recording::VmaChange& change);
  void take(const recording::Event& event, const recording::TableEdits& edits);
  void take(const recording::Event& event, const recording::ProcessChange& change);
  void take(const recording::Event&, const recording::Switch&) {}
  void take(const recording::Event& event, const recording::Counters& counters);
  void take(const recording::Event& event, const recording::End& end);

  std::uint32_t space_of(std::uint32_t process);
  std::uint32_t space_of(const FaultRecord& record, std::uint64_t event);
  std::uint32_t space_at(std::uint64_t root, std::uint64_t event);
  std::uint32_t new_space(std::uint64_t root, std::uint64_t event);
  void take_space(const recording::Event& event, const recording::ProcessChange& change, std::uint32_t parent);
  void leave_space(std::uint32_t process, std::uint64_t event);
  void close_vma(Space& space, std::uint64_t start, std::uint64_t event);
  void add_instruction(const FaultRecord& record);
  void add_walk(const FaultRecord& record);
  void add_outcome(const FaultRecord& record);
  void add_frames(const mmu::EditLog& log);
  std::uint32_t add_edits(std::uint64_t event, std::uint32_t space, std::span<const mmu::PteEdit> edits);
  std::uint32_t vma_id(const VmaInfo& vma);
  std::uint32_t path_id(const mmu::FaultPath& path);
  void write_header(JsonWriter& w, std::string_view problem) const;
  void write_tables();

  recording::RunInfo info_;
  Limits limits_;
  LeftOut left_out_;
  Texts texts_;
  Faults faults_;
  Edits edits_;
  Exits exits_;
  Syscalls syscalls_;
  Signals signals_;
  Counters counters_;
  WideColumn vma_start_, vma_end_, vma_pgoff_;  // each different VMA once
  Column vma_flags_, vma_name_, vma_bits_;
  std::map<std::tuple<std::uint64_t, std::uint64_t, std::uint32_t, std::uint64_t, std::uint32_t>, std::uint32_t>
      vma_ids_;
  std::vector<VmaRow> vma_rows_;
  std::vector<Space> spaces_;
  std::unordered_map<std::uint32_t, std::uint32_t> current_;     // process -> its space
  std::unordered_map<std::uint64_t, std::uint32_t> root_space_;  // top-level table -> its space
  std::vector<std::vector<std::string_view>> paths_;
  std::map<std::vector<mmu::FaultStep>, std::uint32_t> path_ids_;
  std::uint64_t first_event_ = 0, last_event_ = 0, last_time_ = 0;
  recording::End end_;

  // Filled in by write_tables(): what changes until the end, and all columns by name.
  struct {
    Column vma, space, operation;
    WideColumn from, to;
  } area_;
  struct {
    Column process, parent, program, status;
    WideColumn from, to;
  } space_table_;
  std::vector<std::pair<std::string, const Column*>> table_;
};

}  // namespace faultline::vmm::report_html
