// One address space over time: which pages its tables had, in which state, after any fault.
import { kAbsent, page_state } from "./entry";
import { lower_bound, type Model } from "./model";

export interface Area { start: number; end: number; flags: string; writable: boolean; name: string; pgoff: bigint }  // by page

const kVmWrite = 2;

export class Space {
  readonly pages: Float64Array;       // that were ever mapped, ascending
  readonly fault_pages: Float64Array;  // page of each fault, ascending
  readonly fault_rows: Int32Array;     // the fault of each
  readonly faults: Int32Array;         // in order
  private readonly first: Uint32Array;
  private readonly edit_event: Float64Array;
  private readonly edits: Int32Array;  // by page, then in order
  private readonly after_low: Uint32Array;
  private readonly after_high: Uint32Array;
  private readonly areas: { from: number; to: number; area: Area }[] = [];

  constructor(model: Model, readonly index: number) {
    const { data, texts } = model;
    const space = data.column("edit.space"), level = data.column("edit.level"), page = data.pages("edit.address");
    this.edit_event = data.numbers("edit.event");
    ({ low: this.after_low, high: this.after_high } = data.wide("edit.after"));
    const mine = new Int32Array(space.length);
    let count = 0;
    for (let n = 0; n < space.length; ++n) if (space[n] === index && level[n] === 1) mine[count++] = n;
    ({ keys: this.pages, first: this.first, rows: this.edits } = by_key(mine.subarray(0, count), page));

    const address = data.pages("fault.address");
    const faults = new Int32Array(model.faults);
    count = 0;
    for (let n = 0; n < model.faults; ++n) if (model.space[n] === index) faults[count++] = n;
    this.faults = faults.slice(0, count);
    const ordered = by_key(this.faults, address);
    this.fault_rows = ordered.rows;
    this.fault_pages = Float64Array.from(ordered.rows, (n) => address[n]!);

    const owner = data.column("area.space"), vma = data.column("area.vma"), from = data.numbers("area.from"), to = data.numbers("area.to");
    const start = data.pages("vma.start"), end = data.pages("vma.end"), flags = data.column("vma.flags"), bits = data.column("vma.bits"), name = data.column("vma.name"), pgoff = data.numbers("vma.pgoff");
    for (let n = 0; n < owner.length; ++n) {
      if (owner[n] !== index) continue;
      const v = vma[n]!;
      const area = { start: start[v]!, end: end[v]!, flags: texts[flags[v]!]!, writable: (bits[v]! & kVmWrite) !== 0, name: texts[name[v]!]! || "(anonymous)", pgoff: BigInt(pgoff[v]!) };
      this.areas.push({ from: from[n]!, to: to[n]! || Infinity, area });
    }
  }

  areas_at(event: number): Area[] {
    return this.areas.filter(({ from, to }) => from <= event && event < to).map(({ area }) => area).sort((a, b) => a.start - b.start);
  }
  all_areas(): Area[] {
    return this.areas.map(({ area }) => area);
  }
  // The state of each of `pages` after an event: kAbsent or an index into kStates.
  states_at(event: number, areas: Area[]): Uint8Array {
    const states = new Uint8Array(this.pages.length).fill(kAbsent);
    let area = 0;
    for (let n = 0; n < this.pages.length; ++n) {
      const page = this.pages[n]!;
      const edit = this.last_edit(n, event);
      if (edit < this.first[n]!) continue;
      while (area < areas.length && areas[area]!.end <= page) ++area;
      const writable = area < areas.length && areas[area]!.start <= page && areas[area]!.writable;
      states[n] = page_state(this.after_low[this.edits[edit]!]!, this.after_high[this.edits[edit]!]!, writable);
    }
    return states;
  }
  // The last edit of a page that is not later than an event; one below its first: there is none.
  private last_edit(page: number, event: number): number {
    let low = this.first[page]!, high = this.first[page + 1]!;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.edit_event[this.edits[middle]!]! <= event) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
  // Faults on pages [from, to) up to an event.
  faults_in(from: number, to: number, event: number, events: Float64Array): number {
    let found = 0;
    for (let n = lower_bound(this.fault_pages, from); n < this.fault_pages.length && this.fault_pages[n]! < to; ++n) if (events[this.fault_rows[n]!]! <= event) ++found;
    return found;
  }
}

// Rows by a key of theirs, those with the same key in their old order: different keys ascending,
// and where the rows of each begin.
function by_key(rows: Int32Array, key: Float64Array): { keys: Float64Array; first: Uint32Array; rows: Int32Array } {
  const sorted = Float64Array.from(rows, (n) => key[n]!).sort();
  let different = 0;
  for (let n = 0; n < sorted.length; ++n) if (n === 0 || sorted[n] !== sorted[different - 1]) sorted[different++] = sorted[n]!;
  const keys = sorted.slice(0, different);
  const first = new Uint32Array(different + 1);
  const rank = Uint32Array.from(rows, (n) => lower_bound(keys, key[n]!));
  for (const r of rank) ++first[r + 1]!;
  for (let n = 0; n < different; ++n) first[n + 1]! += first[n]!;
  const next = first.slice(), ordered = new Int32Array(rows.length);
  rows.forEach((row, n) => (ordered[next[rank[n]!]!++] = row));
  return { keys, first, rows: ordered };
}
