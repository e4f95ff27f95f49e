// The parts of the runner.
#pragma once

#include "vmm/fuzz/host/shared.hpp"

namespace faultline::vmm::fuzz::host {

inline Shared& shared() { return *reinterpret_cast<Shared*>(kSharedAt); }

// start.S
extern "C" {
// Runs access(step, seen). 0: it came back. 1: a signal handler ended it (access_given_up).
int guarded(void (*access)(const Step&, Seen&), const Step& step, Seen& seen);
// Where a handler goes on to end the access that guarded() runs.
void access_given_up();
// Executes the one instruction at `address`: SIGTRAP follows it. Returns when a vsyscall was made.
void single_step(std::uint64_t address);
// clone(flags) whose child goes on in child(number) on the stack that ends at `stack_end`.
std::int64_t clone_process(std::uint64_t flags, std::uint64_t number, std::uint64_t stack_end);
void restore_signal();
std::uint64_t map_shared();
[[noreturn]] void process_main(std::uint32_t number);
[[noreturn]] void runner_main();
}

// setup.cpp. Makes address space, rights and limits what the children are to have.
void set_up();
// Tells the controller that nothing more can be done, and ends the process.
[[noreturn]] void give_up(const char* what, std::int64_t result, std::uint64_t detail = 0);

// ring.cpp
void open_ring();              // in the runner, while it has its rights
void map_ring();               // in each process: the mapping is not inherited
void skip_faults();            // what was recorded till here is nobody's
void take_faults(Seen& seen);  // what this process took since

// access.cpp
void install_handlers();
void make_access(const Step& step, Seen& seen);

// A process of the program being run: starts number `number` as a child of the runner.
std::int64_t start_process(std::uint32_t number, std::uint64_t flags);
void futex_wait(const void* word, std::uint32_t value);
void futex_wake(const void* word);

}  // namespace faultline::vmm::fuzz::host
