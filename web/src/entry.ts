// Page-table entries: what their bits mean. SDM vol. 3A, "Format of a ... Entry"; the software
// bits and entries that are not present are Linux's, as in mmu/arch/pte.hpp.

export type Kind = "none" | "table" | "page" | "protnone" | "swap" | "migration" | "marker";

export const kPresent = 1n, kWrite = 2n, kUser = 4n, kLarge = 1n << 7n, kGlobal = 1n << 8n, kSpecial = 1n << 9n;
export const kNoExecute = 1n << 63n;
const kAddressMask = 0x000ffffffffff000n;

export function kind(entry: bigint, level: number): Kind {
  if (entry === 0n) return "none";
  if (entry & kPresent) return level === 1 || ((level === 2 || level === 3) && entry & kLarge) ? "page" : "table";
  if (entry & kGlobal) return "protnone";
  const type = entry >> 59n;
  return type === 31n ? "marker" : type >= 28n ? "migration" : "swap";
}

export function frame(entry: bigint, level: number): bigint {
  const what = kind(entry, level);
  let address = (what === "protnone" ? ~entry : entry) & kAddressMask;
  if (what === "page") address &= ~((1n << BigInt(12 + 9 * (level - 1))) - 1n);
  return address >> 12n;
}

export interface Bit { name: string; mask: bigint; title: string; always: boolean }

// In the order in which they are drawn. `always`: drawn when clear, too.
export function bits(level: number, present: boolean): Bit[] {
  const list: Bit[] = [
    { name: "P", mask: 1n, title: "present", always: true },
    { name: "W", mask: 2n, title: "writable", always: true },
    { name: "U", mask: 4n, title: "user", always: true },
    { name: "A", mask: 1n << 5n, title: "accessed", always: true },
    { name: "D", mask: 1n << 6n, title: "dirty", always: true },
    { name: "NX", mask: kNoExecute, title: "no execute", always: true },
    { name: level === 1 ? "PAT" : "PS", mask: kLarge, title: level === 1 ? "page attribute table" : "page size", always: false },
    { name: present ? "G" : "PROTNONE", mask: kGlobal, title: present ? "global" : "resident, nobody may access it", always: false },
    { name: "PWT", mask: 1n << 3n, title: "write-through", always: false },
    { name: "PCD", mask: 1n << 4n, title: "cache disable", always: false },
    { name: "special", mask: kSpecial, title: "no frame to count: the zero page", always: false },
    { name: "uffd-wp", mask: 1n << 10n, title: "userfaultfd write protection", always: false },
    { name: "soft-dirty", mask: 1n << 11n, title: "soft dirty", always: false },
  ];
  return list;
}

export function level_name(level: number, levels: number): string {
  if (level === levels) return "PGD";
  return level === 4 ? "P4D" : level === 3 ? "PUD" : level === 2 ? "PMD" : "PTE";
}

// What the map shows of a page.
export const kStates = ["writable", "shared or clean", "read-only", "executable", "zero page", "no access", "swapped out"] as const;
export const kAbsent = 255;

// `flags`: of the entry, low 32 bits and high 32 bits; a page that its private mapping may write
// but its entry may not is shared or clean: the next write copies or reuses it.
export function page_state(low: number, high: number, vma_writable: boolean): number {
  if (low === 0 && high === 0) return kAbsent;
  if (!(low & 1)) {
    if (low & 0x100) return 5;
    return high >>> 27 === 31 ? 5 : 6;
  }
  if (low & 0x200) return 4;
  if (low & 2) return 0;
  if (!(high & 0x80000000)) return 3;
  return vma_writable ? 1 : 2;
}
