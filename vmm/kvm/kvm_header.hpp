// <linux/kvm.h>, usable from C++. The only place that includes it.
//
// The trap: linux-libc-dev 6.1 declares flexible arrays through a macro with an empty struct in
// it. An empty struct has size 0 in C but 1 in C++, so sizeof(struct kvm_cpuid2) becomes 12
// instead of 8. The size is part of the ioctl's number, and KVM_GET_SUPPORTED_CPUID,
// KVM_SET_CPUID2, KVM_GET_MSRS and KVM_SET_MSRS fail with EINVAL. Here the macro is a
// zero-length array, which has size 0 in both languages.
#pragma once

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include <linux/stddef.h>
#undef __DECLARE_FLEX_ARRAY
#define __DECLARE_FLEX_ARRAY(TYPE, NAME) TYPE NAME[0]
#include <linux/kvm.h>
#pragma GCC diagnostic pop

static_assert(sizeof(kvm_cpuid2) == 8, "flexible array counted in sizeof: the ioctl numbers would be wrong");
static_assert(sizeof(kvm_cpuid) == 8);
static_assert(sizeof(kvm_msrs) == 8);
static_assert(sizeof(kvm_msr_list) == 4);
static_assert(sizeof(kvm_signal_mask) == 4);
static_assert(sizeof(kvm_irq_routing) == 8);
static_assert(sizeof(kvm_reg_list) == 8);
static_assert(sizeof(kvm_xsave) == 4096);
static_assert(KVM_GET_SUPPORTED_CPUID == 0xc008ae05);
static_assert(KVM_SET_CPUID2 == 0x4008ae90);
static_assert(KVM_GET_MSRS == 0xc008ae88);
