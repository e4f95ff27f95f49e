// Which faults the list shows.
import { at } from "./data";
import { kKinds, type Model } from "./model";
import { hex, parse_range } from "./text";

export interface Filter {
  text: string;
  path: string;     // "", "kind:2", "step:wp_page_copy", "path:7"
  outcome: string;  // "", "minor", ..., "SIGSEGV (11)"
  space: string;    // "", index
  vma: string;      // "" or the name as vma_text() gives it
  range: string;
  sort: string;     // "event", "address", "cost"; a leading "-" turns it round
}
export const kNoFilter: Filter = { text: "", path: "", outcome: "", space: "", vma: "", range: "", sort: "event" };

export function outcome_text(model: Model, fault: number): string {
  const { data, texts } = model;
  const signal = texts[data.column("fault.signal")[fault]!]!;
  return signal || texts[model.end[fault]!]!;
}

// One test a fault, or null when all pass.
function path_test(model: Model, chosen: string): ((fault: number) => boolean) | null {
  const [what, value] = [chosen.slice(0, chosen.indexOf(":")), chosen.slice(chosen.indexOf(":") + 1)];
  if (what === "kind") return kKinds[Number(value)] === "denied" ? (n) => model.kind[n] === 4 : (n) => model.path_kind[model.path[n]!] === Number(value);
  if (what === "path") return (n) => model.path[n] === Number(value);
  if (what !== "step") return null;
  const has = model.data.header.paths.map((steps) => steps.includes(value));
  return (n) => has[model.path[n]!]!;
}

// Looks in the texts of a fault, each text once for all faults, and in its addresses.
function text_test(model: Model, words: string): ((fault: number) => boolean) | null {
  const wanted = words.trim().toLowerCase();
  if (wanted === "") return null;
  const inside = (text: string): boolean => text.toLowerCase().includes(wanted);
  const in_text = model.texts.map(inside), in_path = model.paths.map(inside);
  const in_space = model.spaces.map((_, n) => inside(model.space_text(n)));
  const columns = ["instruction", "operand", "verdict", "error_text", "end", "signal", "signal_code", "blame_bit"].map((name) => model.data.column(`fault.${name}`));
  const digits = /^(0x)?[0-9a-f]{3,}$/.test(wanted) ? wanted.replace(/^0x/, "") : null;
  return (n) => {
    if (in_path[model.path[n]!] || in_space[model.space[n]!]) return true;
    for (const column of columns) if (in_text[column[n]!]) return true;
    const vma = model.vma[n]!;
    if (vma > 0 && in_text[model.vma_name[vma - 1]!]) return true;
    return digits !== null && (hex(at(model.address, n)).includes(digits) || hex(at(model.ip, n)).includes(digits));
  };
}

function range_test(model: Model, text: string): ((fault: number) => boolean) | null {
  const range = parse_range(text);
  if (!range) return null;
  const [start, end] = range;
  const [low0, high0, low1, high1] = [start, end].flatMap((v) => [Number(v & 0xffffffffn), Number(v >> 32n)]) as [number, number, number, number];
  const { low, high } = model.address;
  return (n) => {
    const h = high[n]!, l = low[n]!;
    return (h > high0 || (h === high0 && l >= low0)) && (h < high1 || (h === high1 && l < low1));
  };
}

export function apply(model: Model, filter: Filter): Int32Array {
  const tests: ((fault: number) => boolean)[] = [];
  const add = (test: ((fault: number) => boolean) | null): void => void (test && tests.push(test));
  if (!model.whole) add((n) => model.time[n]! >= model.window.from && model.time[n]! <= model.window.to);
  if (filter.space !== "") add((n) => model.space[n] === Number(filter.space));
  add(path_test(model, filter.path));
  if (filter.outcome !== "") {
    const signal = model.data.column("fault.signal");
    add((n) => model.texts[model.end[n]!] === filter.outcome || (signal[n] !== 0 && model.texts[signal[n]!] === filter.outcome));
  }
  if (filter.vma !== "") {
    const chosen = Uint8Array.from({ length: model.vma_name.length + 1 }, (_, vma) => Number(model.vma_text(vma) === filter.vma));
    add((n) => chosen[model.vma[n]!] === 1);
  }
  add(range_test(model, filter.range));
  add(text_test(model, filter.text));

  const kept = new Int32Array(model.faults);
  let rows = 0;
  for (let n = 0; n < model.faults; ++n) if (tests.every((test) => test(n))) kept[rows++] = n;
  return sorted(model, kept.subarray(0, rows), filter.sort);
}

function sorted(model: Model, rows: Int32Array, order: string): Int32Array {
  const key = order.replace("-", "");
  const { low, high } = model.address;
  if (key === "cost") rows.sort((a, b) => model.cost[a]! - model.cost[b]! || a - b);
  if (key === "address") rows.sort((a, b) => high[a]! - high[b]! || low[a]! - low[b]! || a - b);
  return order.startsWith("-") ? rows.reverse() : rows;
}
