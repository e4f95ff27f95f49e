#include "mmu/backing/anon_vma.hpp"

#include <algorithm>

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

namespace {

// Linux anon_vma_alloc: a root, until a fork says otherwise.
AnonVma& new_anon_vma() {
  auto* fresh = new AnonVma{.root = nullptr, .parent = nullptr, .vmas = {}};
  fresh->root = fresh->parent = fresh;
  return *fresh;
}

}  // namespace

bool AnonVmaChain::contains(const AnonVma* anon_vma) const {
  // The newest first: most pages are the VMA's own.
  return std::any_of(links_.rbegin(), links_.rend(), [&](const auto& link) { return link->anon_vma == anon_vma; });
}

void AnonVmaChain::add(AnonVma& anon_vma, Vma& vma) {
  links_.push_back(std::make_unique<AnonVmaLink>(AnonVmaLink{.anon_vma = &anon_vma, .interval = {}}));
  anon_vma.vmas.insert(links_.back()->interval, vma);
  vma.mm->frames().charge_metadata(AnonVmaLink::kMetadataBytes);
}

AnonVma& AnonVmaChain::remove_newest(const Vma& vma) {
  AnonVmaLink& link = *links_.back();
  AnonVma& anon_vma = *link.anon_vma;
  anon_vma.vmas.erase(link.interval);
  links_.pop_back();
  vma.mm->frames().charge_metadata(-AnonVmaLink::kMetadataBytes);
  return anon_vma;
}

void AnonVmaChain::leave_trees() {
  for (const auto& link : links_) link->anon_vma->vmas.erase(link->interval);
}

void AnonVmaChain::enter_trees(Vma& vma) {
  for (const auto& link : links_) link->anon_vma->vmas.insert(link->interval, vma);
}

void anon_vma_attach(Vma& vma, AnonVma* mergeable) {
  FL_CHECK(vma.anon_vma == nullptr && vma.anon_vma_chain.empty());
  if (mergeable == nullptr) {
    mergeable = &new_anon_vma();
    ++mergeable->num_children;  // a root is its own child, so that it is never reused
  }
  vma.anon_vma = mergeable;
  vma.anon_vma_chain.add(*mergeable, vma);
  ++mergeable->num_active_vmas;
}

void anon_vma_clone(Vma& to, const Vma& from) {
  FL_CHECK(to.anon_vma_chain.empty());
  for (const auto& link : from.anon_vma_chain.links()) {
    AnonVma& anon_vma = *link->anon_vma;
    to.anon_vma_chain.add(anon_vma, to);
    // Chains of processes that fork and end would grow for ever otherwise.
    const bool unused = anon_vma.num_children < 2 && anon_vma.num_active_vmas == 0;
    if (to.anon_vma == nullptr && from.anon_vma != nullptr && unused) to.anon_vma = &anon_vma;
  }
  if (to.anon_vma != nullptr) ++to.anon_vma->num_active_vmas;
}

void anon_vma_fork(Vma& child, const Vma& parent) {
  child.anon_vma = nullptr;
  if (parent.anon_vma == nullptr) return;
  // First the parent's, so that its pages are found in the child as well.
  anon_vma_clone(child, parent);
  if (child.anon_vma != nullptr) return;
  AnonVma& own = new_anon_vma();
  own.root = parent.anon_vma->root;
  own.parent = parent.anon_vma;
  ++own.parent->num_children;
  ++own.num_active_vmas;
  child.anon_vma = &own;
  child.anon_vma_chain.add(own, child);
}

void unlink_anon_vmas(Vma& vma) {
  if (vma.anon_vma != nullptr) --vma.anon_vma->num_active_vmas;
  vma.anon_vma = nullptr;
  // From the newest, so that a parent outlives its children.
  while (!vma.anon_vma_chain.empty()) {
    AnonVma& anon_vma = vma.anon_vma_chain.remove_newest(vma);
    if (!anon_vma.vmas.empty()) continue;
    --anon_vma.parent->num_children;
    FL_CHECK(anon_vma.num_children == 0 && anon_vma.num_active_vmas == 0);
    delete &anon_vma;
  }
}

}  // namespace faultline::mmu
