#include "tests/bench/bare_loop.hpp"

#include <sys/ioctl.h>

#include <array>
#include <cstring>

#include "mmu/arch/pte.hpp"

namespace faultline::bench {
namespace {

using mmu::Pte;
using vmm::kvm::StubFrame;

constexpr Gva kCode{0x40'0000};
constexpr Gva kPages{0x4000'0000};  // at a table boundary of level 2
// mov [rdi], rax; add rdi, 4096; jmp to the first
constexpr std::array<std::uint8_t, 12> kLoop = {0x48, 0x89, 0x07, 0x48, 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, 0xeb, 0xf4};
constexpr std::uint64_t kUserPage = Pte::kPresent | Pte::kUser | Pte::kWrite | Pte::kAccessed | Pte::kDirty;
constexpr unsigned kPageFault = 14;
constexpr std::uint64_t kMaxPages = mmu::kEntriesPerTable * mmu::kEntriesPerTable;

// Frames behind the monitor area: root, its two tables a branch, the page of code, then the
// level-1 tables and the pages themselves.
constexpr std::uint64_t kRoot = vmm::kvm::kFirstFreeFrame.raw();
constexpr std::uint64_t kPdpt = kRoot + 1, kCodePd = kRoot + 2, kCodePt = kRoot + 3, kPagesPd = kRoot + 4;
constexpr std::uint64_t kCodeFrame = kRoot + 5, kFirstTable = kRoot + 6;

}  // namespace

BareLoop::BareLoop(vmm::kvm::System system, vmm::kvm::VmFd vm, vmm::GuestRam ram, std::uint64_t pages)
    : system_(std::move(system)),
      vm_(std::move(vm)),
      ram_(std::move(ram)),
      slots_(vm_, ram_),
      area_(ram_, 0),
      pages_(pages) {}

Result<std::unique_ptr<BareLoop>> BareLoop::create(std::uint64_t pages) {
  if (pages == 0 || pages > kMaxPages) return fail("1 to 262144 pages");
  auto system = vmm::kvm::System::open();
  if (!system) return tl::unexpected(system.error());
  auto vm = system->create_vm();
  if (!vm) return tl::unexpected(vm.error());
  const std::uint64_t tables = (pages + mmu::kEntriesPerTable - 1) / mmu::kEntriesPerTable;
  auto ram = vmm::GuestRam::create((kFirstTable + tables + pages) * kPageSize);
  if (!ram) return tl::unexpected(ram.error());
  std::unique_ptr<BareLoop> loop(new BareLoop(std::move(*system), std::move(*vm), std::move(*ram), pages));
  if (auto done = loop->set_up(); !done) return tl::unexpected(done.error());
  return loop;
}

void BareLoop::build_tables() {
  const auto table = [&](std::uint64_t frame) { return reinterpret_cast<std::uint64_t*>(ram_.at(Gpa(Gfn(frame)))); };
  const auto link = [&](std::uint64_t parent, Gva va, mmu::Level level, std::uint64_t child) {
    table(parent)[mmu::table_index(va, level)] = Pte::make(Gfn(child), Pte::kTableFlags).raw();
  };
  std::memcpy(table(kRoot), table(vmm::kvm::kKernelHalfFrame.raw()), kPageSize);
  link(kRoot, kCode, 4, kPdpt);
  link(kPdpt, kCode, 3, kCodePd);
  link(kCodePd, kCode, 2, kCodePt);
  table(kCodePt)[mmu::table_index(kCode, 1)] = Pte::make(Gfn(kCodeFrame), kUserPage).raw();
  std::memcpy(table(kCodeFrame), kLoop.data(), kLoop.size());
  link(kPdpt, kPages, 3, kPagesPd);
  const std::uint64_t tables = (pages_ + mmu::kEntriesPerTable - 1) / mmu::kEntriesPerTable;
  for (std::uint64_t i = 0; i < tables; ++i) link(kPagesPd, kPages + i * mmu::level_span(2), 2, kFirstTable + i);
  entries_ = table(kFirstTable);  // the tables are neighbours: their entries are one array
  std::memset(entries_, 0, tables * kPageSize);
  first_frame_ = kFirstTable + tables;
  for (std::uint64_t i = 0; i < pages_; ++i) *table(first_frame_ + i) = 1;
}

void BareLoop::start_user_code() {
  StubFrame& frame = area_.frame(kPageFault);
  frame.rip = kCode.raw();
  frame.cs = FL_USER_CS;
  frame.rflags = 0x202;
  frame.ss = FL_USER_SS;
  kvm_regs& regs = vcpu_->run().s.regs.regs;
  regs = kvm_regs{};
  regs.rip = vmm::kvm::kResumeStub.raw();
  regs.rflags = 2;
  regs.rdi = kPages.raw();
  regs.rsp = area_.rsp0().raw() - vmm::kvm::kIretFrameBytes;
  vcpu_->run().kvm_valid_regs = KVM_SYNC_X86_REGS;
  vcpu_->run().kvm_dirty_regs = KVM_SYNC_X86_REGS;
}

Result<void> BareLoop::set_up() {
  constexpr auto kMode = mmu::PagingMode::kFourLevel;
  vmm::kvm::build_monitor(ram_, kMode, vmm::kvm::StubVariant::kPlain);
  build_tables();
  if (auto done = slots_.extend(Gfn(ram_.size() >> kPageShift)); !done) return done;
  auto cpuid = system_.supported_cpuid();
  if (!cpuid) return tl::unexpected(cpuid.error());
  auto run_size = system_.run_mapping_size();
  if (!run_size) return tl::unexpected(run_size.error());
  auto vcpu = vm_.create_vcpu(0, *run_size);
  if (!vcpu) return tl::unexpected(vcpu.error());
  vcpu_ = std::make_unique<vmm::kvm::VcpuFd>(std::move(*vcpu));
  area_.build();
  vmm::kvm::CpuModel model = vmm::kvm::make_cpu_model(std::move(*cpuid), kMode);
  if (auto done = vmm::kvm::boot_vcpu(*vcpu_, 0, model, area_, Gpa(Gfn(kRoot))); !done) return done;
  start_user_code();
  return {};
}

bool BareLoop::fault() {
  if (remaining() == 0 || ::ioctl(vcpu_->get(), KVM_RUN, 0) != 0) return false;
  kvm_run& run = vcpu_->run();
  if (run.exit_reason != KVM_EXIT_IO || run.io.port != FL_PORT_EXCEPTION + kPageFault) return false;
  entries_[done_] = Pte::make(Gfn(first_frame_ + done_), kUserPage).raw();
  ++done_;
  // Back over RAX and the error code to the frame that the CPU pushed.
  run.s.regs.regs.rax = area_.frame(kPageFault).rax;
  run.s.regs.regs.rsp = area_.rsp0().raw() - vmm::kvm::kIretFrameBytes;
  run.kvm_dirty_regs = KVM_SYNC_X86_REGS;
  return true;
}

}  // namespace faultline::bench
