#include "vmm/multiboot/guest.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>

#include "vmm/kvm/exit.hpp"
#include "vmm/kvm/kick_signal.hpp"
#include "vmm/run/watchdog.hpp"

namespace faultline::vmm::multiboot {

namespace {

constexpr std::uint16_t kSerialPort = 0x3f8, kExitPort = 0xf4, kFirstController = 0x20, kSecondController = 0xa0;

// What VMX needs of guest-physical memory for modes it cannot run directly; anywhere outside RAM.
constexpr std::uint64_t kIdentityMap = 0xfffb'c000, kTaskState = 0xfffb'd000;

// KVM's own interrupt controllers and timer, before there is a vCPU.
Result<Interrupts> make_interrupts(const kvm::VmFd& vm, Interrupts wanted) {
  if (wanted == Interrupts::kStub || vm.extension(KVM_CAP_IRQCHIP) <= 0) return Interrupts::kStub;
  if (::ioctl(vm.get(), KVM_CREATE_IRQCHIP, 0) != 0) return Interrupts::kStub;
  kvm_pit_config timer{};
  timer.flags = KVM_PIT_SPEAKER_DUMMY;
  if (const auto made = FL_KVM_IOCTL(vm.get(), KVM_CREATE_PIT2, &timer); !made) return tl::unexpected(made.error());
  return Interrupts::kInKernel;
}

Result<void> place_helpers(const kvm::VmFd& vm) {
  if (vm.extension(KVM_CAP_SET_IDENTITY_MAP_ADDR) > 0) {
    std::uint64_t address = kIdentityMap;
    if (const auto set = FL_KVM_IOCTL(vm.get(), KVM_SET_IDENTITY_MAP_ADDR, &address); !set)
      return tl::unexpected(set.error());
  }
  if (vm.extension(KVM_CAP_SET_TSS_ADDR) > 0) {
    if (const auto set = FL_KVM_IOCTL(vm.get(), KVM_SET_TSS_ADDR, kTaskState); !set) return tl::unexpected(set.error());
  }
  return {};
}

constexpr std::uint64_t kProtectionEnable = 1U << 0;  // CR0

// A flat 32-bit segment. SDM volume 3, "Segment Descriptors".
kvm_segment flat(std::uint16_t selector, std::uint8_t type) {
  kvm_segment segment{};
  segment.limit = 0xffff'ffff;
  segment.selector = selector;
  segment.type = type;
  segment.present = segment.s = segment.db = segment.g = 1;
  return segment;
}

}  // namespace

Guest::Guest(GuestRam ram, kvm::VmFd vm, kvm::VcpuFd vcpu, Interrupts interrupts, const GuestConfig& config)
    : ram_(std::move(ram)),
      vm_(std::move(vm)),
      vcpu_(std::move(vcpu)),
      interrupts_(interrupts),
      serial_(config.serial),
      firmware_(config.memory_bytes) {
  bus_.attach(kSerialPort, SerialPort::kPorts, 1, serial_);
  bus_.attach(kExitPort, DebugExit::kPorts, 4, exit_);
  bus_.attach(FirmwareConfig::kFirstPort, FirmwareConfig::kPorts, 2, firmware_);
  if (interrupts_ == Interrupts::kStub) {
    bus_.attach(kFirstController, InterruptStub::kPorts, 1, first_controller_);
    bus_.attach(kSecondController, InterruptStub::kPorts, 1, second_controller_);
  }
}

Result<std::unique_ptr<Guest>> Guest::create(const GuestConfig& config) {
  auto system = kvm::System::open();
  if (!system) return tl::unexpected(system.error());
  auto ram = GuestRam::create(config.memory_bytes);
  if (!ram) return tl::unexpected(ram.error());
  auto vm = system->create_vm();
  if (!vm) return tl::unexpected(vm.error());
  if (auto placed = place_helpers(*vm); !placed) return tl::unexpected(placed.error());
  const auto interrupts = make_interrupts(*vm, config.interrupts);
  if (!interrupts) return tl::unexpected(interrupts.error());
  if (auto set = vm->set_memory_slot(0, Gpa(0), ram->size(), ram->bytes().data()); !set)
    return tl::unexpected(set.error());
  const auto size = system->run_mapping_size();
  if (!size) return tl::unexpected(size.error());
  auto vcpu = vm->create_vcpu(0, *size);
  if (!vcpu) return tl::unexpected(vcpu.error());
  const auto cpuid = system->supported_cpuid();
  if (!cpuid) return tl::unexpected(cpuid.error());
  if (auto set = vcpu->set_cpuid(*cpuid); !set) return tl::unexpected(set.error());
  kvm::install_kick_signal();
  return std::unique_ptr<Guest>(new Guest(std::move(*ram), std::move(*vm), std::move(*vcpu), *interrupts, config));
}

Result<void> Guest::load(const Image& image, const std::string& command_line, const std::optional<Module>& module) {
  write_bios_data(ram());
  for (const Segment& segment : image.segments) {
    const std::span to = ram().subspan(segment.address.raw(), segment.memory_bytes);
    std::ranges::copy(segment.bytes, to.begin());
    std::ranges::fill(to.subspan(segment.bytes.size()), std::byte{0});
  }
  const auto info = write_boot_info(ram(), image.end, command_line, module);
  if (!info) return tl::unexpected(info.error());
  return set_registers(image.entry, *info);
}

// Multiboot Specification, "Machine state".
Result<void> Guest::set_registers(std::uint32_t entry, Gpa boot_info) {
  constexpr std::uint64_t kExtensionType = 1U << 4;
  constexpr std::uint8_t kCode = 0xb, kData = 0x3;  // accessed; readable, writable
  auto sregs = vcpu_.sregs();
  if (!sregs) return tl::unexpected(sregs.error());
  sregs->cs = flat(0x08, kCode);
  sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = flat(0x10, kData);
  sregs->gdt.limit = sregs->idt.limit = 0;
  sregs->cr0 = kProtectionEnable | kExtensionType;
  if (auto set = vcpu_.set_sregs(*sregs); !set) return set;
  kvm_regs regs{};
  regs.rip = entry;
  regs.rflags = 2;
  regs.rax = kBootMagic;
  regs.rbx = boot_info.raw();
  return vcpu_.set_regs(regs);
}

void Guest::kick() {
  ending_.store(true, std::memory_order_relaxed);
  kvm::kick_out(vcpu_.run(), thread_);
}

void Guest::stop(int signal) {
  stop_signal_.store(signal, std::memory_order_seq_cst);
  kick();
}

int Guest::enter() { return ::ioctl(vcpu_.get(), KVM_RUN, 0) == 0 ? 0 : errno; }

Result<End> Guest::run(const RunLimits& limits) {
  kvm::unblock_kick_signal();
  // The signal of kick() is to interrupt a write of the guest's output, too.
  thread_.store(static_cast<pid_t>(::syscall(SYS_gettid)), std::memory_order_seq_cst);
  auto end = run_to_the_end(limits);
  thread_.store(0, std::memory_order_seq_cst);
  return end;
}

Result<End> Guest::run_to_the_end(const RunLimits& limits) {
  const Watchdog watchdog([this] { kick(); }, limits.time);
  for (std::uint64_t exits = 1;; ++exits) {
    const int status = enter();
    if (status != 0 && status != EINTR && status != EAGAIN)
      return fail(fmt::format("KVM_RUN: {}", std::strerror(status)));
    std::optional<End> end;
    if (status == 0) end = serve();
    if (!end && watchdog.expired()) end = Limited{LimitKind::kTime, position()};
    if (!end && stop_signal_.load(std::memory_order_seq_cst) != 0) end = Stopped{stop_signal_.load()};
    if (!end && limits.exits != 0 && exits >= limits.exits) end = Limited{LimitKind::kExits, position()};
    if (end) {
      serial_.flush();
      return *end;
    }
    if (status != 0) std::atomic_ref(vcpu_.run().immediate_exit).store(0, std::memory_order_seq_cst);
  }
}

std::optional<End> Guest::serve() {
  kvm_run& run = vcpu_.run();
  switch (run.exit_reason) {
    case KVM_EXIT_IO:
      serve_ports(run);
      if (const auto value = exit_.value()) return Exited{*value};
      return std::nullopt;
    case KVM_EXIT_MMIO:  // nothing is there, as on a bus that nobody answers on
      if (run.mmio.is_write == 0) std::memset(run.mmio.data, 0xff, sizeof run.mmio.data);
      return std::nullopt;
    case KVM_EXIT_HLT: return died("it halted, and there is nothing to wake it up");
    case KVM_EXIT_SHUTDOWN: return died("triple fault");
  }
  return died(kvm::describe(kvm::decode_exit(run)));
}

void Guest::serve_ports(const kvm_run& run) {
  std::byte* data = reinterpret_cast<std::byte*>(&vcpu_.run()) + run.io.data_offset;
  for (std::uint32_t i = 0; i < run.io.count; ++i, data += run.io.size) {
    std::uint32_t value = 0;
    if (run.io.direction == KVM_EXIT_IO_OUT) {
      std::memcpy(&value, data, run.io.size);
      bus_.write(run.io.port, run.io.size, value);
    } else {
      value = bus_.read(run.io.port, run.io.size);
      std::memcpy(data, &value, run.io.size);
    }
  }
}

std::string Guest::position() const {
  const auto regs = vcpu_.regs();
  const auto sregs = vcpu_.sregs();
  if (!regs || !sregs) return "";
  return fmt::format("eip {:#x} cs {:#x} cr0 {:#x} cr3 {:#x} cr4 {:#x} efer {:#x}", regs->rip, sregs->cs.selector,
                     sregs->cr0, sregs->cr3, sregs->cr4, sregs->efer);
}

// With where it was (SVM resets the vCPU upon a triple fault, and that is lost), and whether that was
// an instruction that would have switched paging on: not every KVM can do that for every kind of paging.
Died Guest::died(const std::string& why) const {
  constexpr std::uint64_t kPaging = 1ULL << 31, kResetIp = 0xfff0;
  constexpr std::byte kMovToControl[] = {std::byte{0x0f}, std::byte{0x22}};
  const auto regs = vcpu_.regs();
  const auto sregs = vcpu_.sregs();
  if (!regs || !sregs) return {why};
  if ((sregs->cr0 & kProtectionEnable) == 0 && regs->rip == kResetIp)
    return {why + "; this KVM has reset the registers"};
  std::string line = why + "; " + position();
  if ((sregs->cr0 & kPaging) == 0 && regs->rip + sizeof kMovToControl <= ram_.size() &&
      std::memcmp(ram_.bytes().data() + regs->rip, kMovToControl, sizeof kMovToControl) == 0) {
    line += ": this KVM did not take a write to a control register";
  }
  return {line};
}

}  // namespace faultline::vmm::multiboot
