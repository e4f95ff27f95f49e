// Figures as people read them.

export const hex = (value: bigint | number): string => "0x" + value.toString(16);

// "1.53 ms": three digits are enough.
export function duration(ns: number): string {
  if (!isFinite(ns)) return "–";
  if (ns < 1000) return `${Math.round(ns)} ns`;
  for (const [unit, size] of [["µs", 1e3], ["ms", 1e6]] as const)
    if (ns < size * 999.5) return `${digits(ns / size)} ${unit}`;
  return `${digits(ns / 1e9)} s`;
}
const digits = (value: number): string => value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);

export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let n = 0;
  while (count >= 1024 && n < units.length - 1) count /= 1024, ++n;
  return `${Number.isInteger(count) ? count : count.toFixed(1)} ${units[n]}`;
}

const grouped = new Intl.NumberFormat("en");
export const count = (value: number): string => grouped.format(value);
export const plural = (value: number, one: string, many = one + "s"): string => `${count(value)} ${value === 1 ? one : many}`;

export function percent(part: number, whole: number): string {
  if (whole === 0) return "";
  const share = (100 * part) / whole;
  return share > 0 && share < 0.1 ? "<0.1 %" : `${share.toFixed(1)} %`;
}

// Addresses as `faultline inspect --address` takes them: A..B, A-B, A+SIZE, or the page of A.
export function parse_range(text: string): [bigint, bigint] | null {
  const match = /^\s*(0x)?([0-9a-f]+)\s*(?:(\.\.|-|\+)\s*(0x)?([0-9a-f]+)\s*([kmgt]?)(?:i?b)?)?\s*$/i.exec(text);
  if (!match) return null;
  const start = BigInt("0x" + match[2]);
  if (!match[3]) return [start & ~0xfffn, (start | 0xfffn) + 1n];
  if (match[3] !== "+") {
    const end = BigInt("0x" + match[5]);
    return match[6] === "" && start < end ? [start, end] : null;
  }
  const unit = 1n << (10n * BigInt(" kmgt".indexOf((match[6] || " ").toLowerCase())));
  if (!match[4] && !/^[0-9]+$/.test(match[5]!)) return null;
  return [start, start + BigInt((match[4] ?? "") + match[5]) * unit];
}
