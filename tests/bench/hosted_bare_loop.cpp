#include "tests/bench/hosted_bare_loop.hpp"

#include <array>
#include <cstring>

#include "guest/abi.h"

namespace faultline::bench {
namespace {

constexpr Gva kCode{0x40'0000};
constexpr Gva kPages{0x4000'0000};
constexpr vmm::hosted::StubPlace kStub{Gva(0x2f5c'0000'0000)};  // far from both
// mov [rdi], al; add rdi, 4096; jmp to the first
constexpr std::array<std::uint8_t, 11> kLoop = {0x88, 0x07, 0x48, 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, 0xeb, 0xf5};

}  // namespace

Result<std::unique_ptr<HostedBareLoop>> HostedBareLoop::create(std::uint64_t pages) {
  auto ram = vmm::GuestRam::create((pages + 1) * kPageSize);
  if (!ram) return tl::unexpected(ram.error());
  auto stub = vmm::hosted::StubProcess::start(*ram, kStub);
  if (!stub) return tl::unexpected(stub.error());
  std::unique_ptr<HostedBareLoop> loop(new HostedBareLoop(std::move(*ram), std::move(*stub), pages));
  if (auto done = loop->set_up(); !done) return tl::unexpected(done.error());
  return loop;
}

Result<void> HostedBareLoop::set_up() {
  std::memcpy(ram_.at(Gpa(0)), kLoop.data(), kLoop.size());
  stub_->map(kCode, kPageSize, Gpa(0), PROT_READ | PROT_EXEC, true);
  vmm::hosted::KernelFrame frame{};
  if (!stub_->load_frame(frame)) return fail("no frame at the first stop");
  frame.context.rip = kCode.raw();
  frame.context.rdi = kPages.raw();
  frame.context.rflags = 0x202;
  frame.context.cs = FL_USER_CS;
  frame.context.ss = FL_USER_SS;
  stub_->store_frame(frame);
  return {};
}

bool HostedBareLoop::fault() {
  if (done_ == pages_ || !stub_->resume()) return false;
  if (stub_->wait(never_) != vmm::hosted::StubProcess::Wait::kStopped) return false;
  vmm::hosted::KernelFrame frame{};
  if (!stub_->load_frame(frame) || frame.info.si_signo != SIGSEGV) return false;
  if (frame.context.cr2 != kPages.raw() + done_ * kPageSize) return false;
  ++done_;
  stub_->map(Gva(frame.context.cr2), kPageSize, Gpa(Gfn(done_)), PROT_READ | PROT_WRITE, true);
  stub_->store_frame(frame);
  return true;
}

}  // namespace faultline::bench
