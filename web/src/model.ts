// The recording as the views share it: columns with names, what is worked out once, and what is
// chosen at the moment (time window, fault).
import { Data, type Wide } from "./data";

export const kKinds = ["anonymous", "file", "copy on write", "other", "denied"] as const;
const kAnonymous = /^do_anonymous_page/;
const kFile = /^(do_read_fault|do_fault_around|do_shared_fault|page_mkwrite|truncated)$/;
const kCow = /^(do_cow_fault|wp_page_copy|wp_page_reuse|do_wp_page|wp_page_shared)$/;

export interface Window { from: number; to: number }  // ns

export class Model {
  readonly texts: string[];
  readonly paths: string[];      // "lock_vma_under_rcu > do_anonymous_page"
  readonly path_kind: number[];  // index into kKinds, what the outcome does not change
  readonly faults: number;
  readonly event: Float64Array;
  readonly time: Float64Array;
  readonly address: Wide;
  readonly ip: Wide;
  readonly space: Uint32Array;
  readonly error: Uint32Array;
  readonly path: Uint32Array;
  readonly vma: Uint32Array;
  readonly end: Uint32Array;
  readonly instruction: Uint32Array;
  readonly cost: Float64Array;  // ns, without the guest's own time
  readonly kind: Uint8Array;
  readonly vma_name: Uint32Array;  // texts
  readonly spaces: { process: number; parent: number; program: string; status: number; from: number; to: number }[];
  readonly taken_spaces: number[];  // those of a process, and no other's
  readonly process: Uint32Array;
  readonly exits: { entered: Float64Array; left: Float64Array; reason: Uint32Array; cost: Float64Array };
  readonly calls: { time: Float64Array; duration: Uint32Array; name: Uint32Array; result: Uint32Array };
  readonly end_ns: number;

  private readonly spaces_of = new Map<number, number[]>();
  window: Window;
  private readonly listeners: (() => void)[] = [];

  constructor(readonly data: Data) {
    this.texts = data.texts;
    this.paths = data.header.paths.map((steps) => steps.join(" > "));
    this.path_kind = data.header.paths.map(kind_of);
    this.event = data.numbers("fault.event");
    this.time = data.numbers("fault.time");
    this.faults = this.event.length;
    this.address = data.wide("fault.address");
    this.ip = data.wide("fault.ip");
    this.space = data.column("fault.space");
    this.error = data.column("fault.error");
    this.path = data.column("fault.path");
    this.vma = data.column("fault.vma");
    this.end = data.column("fault.end");
    this.instruction = data.column("fault.instruction");
    this.vma_name = data.column("vma.name");
    const parts = ["exit", "decide", "edit", "resume"].map((part) => data.column(`fault.${part}`));
    this.cost = Float64Array.from(this.event, (_, n) => parts.reduce((sum, part) => sum + part[n]!, 0));
    const denied = this.texts.map((text) => text === "signal" || text === "efault");
    this.kind = Uint8Array.from(this.path, (path, n) => (denied[this.end[n]!] ? 4 : this.path_kind[path]!));
    const from = data.numbers("space.from"), to = data.numbers("space.to");
    const [process, parent, program, status] = ["process", "parent", "program", "status"].map((name) => data.column(`space.${name}`));
    this.spaces = Array.from(process!, (pid, n) => ({
      process: pid, parent: parent![n]!, program: this.texts[program![n]!]!, status: status![n]! | 0, from: from[n]!, to: to[n]! || Infinity,
    }));
    this.taken_spaces = this.spaces.flatMap(({ process }, n) => (process !== 0 ? [n] : []));
    this.spaces.forEach(({ process }, n) => this.spaces_of.set(process, [...(this.spaces_of.get(process) ?? []), n]));
    this.process = data.column("fault.process");
    this.end_ns = Math.max(data.header.end_ns, 1);
    const entered = data.numbers("exit.entered"), left = data.numbers("exit.left");
    // On the host: from leaving the vCPU to entering it again. After the last exit nobody did.
    const cost = Float64Array.from(left, (time, n) => Math.max(0, (n + 1 < left.length ? entered[n + 1]! : this.end_ns) - time));
    this.exits = { entered, left, reason: data.column("exit.reason"), cost };
    this.calls = {
      time: data.numbers("call.time"), duration: data.column("call.duration"), name: data.column("call.name"), result: data.column("call.result"),
    };
    this.window = { from: 0, to: this.end_ns };
  }

  get whole(): boolean {
    return this.window.from <= 0 && this.window.to >= this.end_ns;
  }
  set_window(from: number, to: number): void {
    from = Math.max(0, from), to = Math.min(this.end_ns, to);
    if (to - from < 10 || (from === this.window.from && to === this.window.to)) return;
    this.window = { from, to };
    for (const listener of this.listeners) listener();
  }
  on_window(listener: () => void): void {
    this.listeners.push(listener);
  }
  // By what the column says: 0 is none.
  vma_text(vma: number): string {
    return vma === 0 ? "(none)" : this.texts[this.vma_name[vma - 1]!]! || "(anonymous)";
  }
  program(space: number): string {
    return this.spaces[space]!.program.split("/").pop()!;
  }
  space_text(space: number): string {
    const { process } = this.spaces[space]!, all = this.spaces_of.get(process)!;
    return `${process} ${this.program(space)}${all.length > 1 ? ` #${all.indexOf(space) + 1}` : ""}`;
  }
}

function kind_of(steps: string[]): number {
  if (steps.some((step) => kCow.test(step))) return 2;
  const last = steps[steps.length - 1] ?? "";
  return kAnonymous.test(last) ? 0 : kFile.test(last) || steps.some((step) => kFile.test(step)) ? 1 : 3;
}

// Of the whole range, with p in 0..1: the smallest value that so many of them do not exceed.
export function quantile(sorted: Float64Array, p: number): number {
  return sorted.length === 0 ? NaN : sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)]!;
}

// First index whose value is not below `value`, in ascending numbers.
export function lower_bound(sorted: ArrayLike<number>, value: number, low = 0, high = sorted.length): number {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
