// One fault: the access, the walk level by level, the path, what changed, where the time went.
import { at } from "./data";
import { el, replace } from "./dom";
import * as entry from "./entry";
import { outcome_text } from "./filter";
import type { Model } from "./model";
import { count, duration, hex, plural } from "./text";

export interface Actions { close: () => void; map: () => void }

const kEditsShown = 24;
const mono = (text: string): HTMLElement => el("span", { class: "mono" }, text);
const row = (label: string, ...content: (Node | string | false | null)[]): HTMLElement[] => [el("dt", {}, label), el("dd", {}, ...content)];

export function detail(model: Model, fault: number, actions: Actions): HTMLElement[] {
  const { data, texts } = model;
  const column = (name: string): number => data.column(`fault.${name}`)[fault]!;
  const text = (name: string): string => texts[column(name)]!;
  const error = model.error[fault]!;
  const signal_address = at(data.wide("fault.signal_address"), fault);
  const outcome = text("signal") === "" ? (text("end") === "efault" ? "-EFAULT to the system call" : `resolved, ${text("end")}`)
    : `${outcome_text(model, fault)} ${text("signal_code")} at ${hex(signal_address)}`;
  const bad = (column("flags") & 1) !== 0;
  const verdict = text("verdict"), operand = text("operand"), differ = text("differ");
  const offset = BigInt.asIntN(64, at(data.wide("fault.offset"), fault));
  return [
    el("header", {},
      el("h2", { tabindex: -1 }, `Fault ${count(column("sequence"))}`),
      el("span", { class: `tag kind-${model.kind[fault]}` }, outcome_text(model, fault)),
      el("span", { class: "dim" }, `event ${count(model.event[fault]!)} · ${duration(model.time[fault]!)} · process ${model.process[fault]} ${model.program(model.space[fault]!)}`),
      el("span", { class: "grow" }),
      el("button", { type: "button", click: actions.map }, "On the map"),
      el("button", { type: "button", "aria-label": "Close", title: "Close (Esc)", click: actions.close }, "✕")),
    el("dl", {},
      ...row("address", mono(hex(at(model.address, fault))), ` ${text("error_text")} `, el("span", { class: "dim" }, `error ${hex(error)} [${error_bits(error)}]`)),
      ...row("at", mono(hex(at(model.ip, fault))), " ", el("code", {}, text("instruction")), text("bytes") !== "" && el("span", { class: "dim mono" }, ` ${text("bytes")}`)),
      ...(operand || verdict ? row("operand", operand, offset !== 0n && ` ${offset > 0n ? "+" : ""}${offset}`, operand && verdict ? ", " : "",
        el("span", { class: bad ? "bad" : "" }, verdict), (column("flags") & 2) !== 0 && ", straddles pages", (column("flags") & 4) !== 0 && " (fault past the first)") : []),
      ...(differ ? row("decoders", el("span", { class: "bad" }, differ)) : []),
      ...row("VMA", ...vma(model, fault)),
      ...row("path", path(model, fault)),
      ...row("outcome", el("span", { class: model.kind[fault] === 4 ? "bad" : "" }, outcome), el("span", { class: "dim" }, ` · TLB: ${text("tlb")}`)),
      ...row("time", times(model, fault))),
    ...walk(model, fault),
    ...edits(model, fault),
  ];
}

function error_bits(error: number): string {
  const names: [number, string][] = [[1, "P"], [2, "W"], [4, "U"], [8, "RSVD"], [16, "I"], [32, "PK"], [64, "SS"], [0x8000, "SGX"]];
  return names.filter(([bit]) => error & bit).map(([, name]) => name).join(" ") || "–";
}

function vma(model: Model, fault: number): (Node | string)[] {
  const index = model.vma[fault]! - 1;
  if (index < 0) return ["none"];
  const { data, texts } = model;
  const wide = (name: string): string => at(data.wide(`vma.${name}`), index).toString(16);
  return [mono(`${wide("start")}-${wide("end")} ${texts[data.column("vma.flags")[index]!]} `), el("span", { class: "name" }, model.vma_text(index + 1)),
    el("span", { class: "dim" }, ` pgoff 0x${wide("pgoff")}`)];
}

function path(model: Model, fault: number): HTMLElement {
  const steps = model.data.header.paths[model.path[fault]!]!;
  return el("ol", { class: "path" }, ...steps.map((step, n) => el("li", n === steps.length - 1 ? { class: `decided kind-${model.kind[fault]}` } : {}, step)));
}

const kParts = ["exit", "decide", "edit", "resume"] as const;

function times(model: Model, fault: number): HTMLElement {
  const parts = kParts.map((part) => model.data.column(`fault.${part}`)[fault]!);
  const sum = model.cost[fault]!;
  const bar = el("span", { class: "times", "aria-hidden": "true" }, ...parts.map((part, n) => {
    const piece = el("span", { class: `part-${n}`, title: `${kParts[n]} ${duration(part)}` });
    piece.style.flexGrow = String(sum > 0 ? part / sum : 0);
    return piece;
  }));
  const guest = model.data.column("fault.guest")[fault]!;
  return el("span", {}, el("strong", {}, duration(sum)), bar,
    el("span", { class: "dim" }, kParts.map((name, n) => `${name} ${duration(parts[n]!)}`).join(" · ") + ` · guest before ${duration(guest)}`));
}

interface Level { level: number; slot: bigint | null; before: bigint | null; after: bigint | null }

// The walk as it was, and as it is with the fault's edits: a table that was not there before has
// entries only afterwards.
function levels(model: Model, fault: number): Level[] {
  const { data } = model, top = data.header.levels;
  const walked = data.column("fault.walk_count")[fault]!;
  const first = data.column("fault.first_edit")[fault]!, last = first + data.column("fault.edits")[fault]!;
  const edit_level = data.column("edit.level"), edit_address = data.wide("edit.address");
  const address = at(model.address, fault);
  const list: Level[] = [];
  for (let n = 0; n < top; ++n) {
    const level = top - n, span = 1n << BigInt(12 + 9 * (level - 1));
    const entry_at: Level = { level, slot: null, before: null, after: null };
    if (n < walked) {
      entry_at.slot = at(data.wide(`fault.slot${n}`), fault);
      entry_at.before = entry_at.after = at(data.wide(`fault.entry${n}`), fault);
    }
    for (let e = first; e < last; ++e) {
      if (edit_level[e] !== level || at(edit_address, e) !== (address & ~(span - 1n))) continue;
      entry_at.slot ??= at(data.wide("edit.slot"), e);
      entry_at.after = at(data.wide("edit.after"), e);
    }
    list.push(entry_at);
    if (entry_at.slot === null) break;
  }
  return list;
}

function walk(model: Model, fault: number): HTMLElement[] {
  const { data, texts } = model, top = data.header.levels;
  const blame_level = data.column("fault.blame_level")[fault]!, blame_bit = texts[data.column("fault.blame_bit")[fault]!]!;
  const address = at(model.address, fault);
  const end = texts[data.column("fault.walk_end")[fault]!]!;
  const list = levels(model, fault);
  const denied = blame_level > 0;
  const caption = el("h3", {}, "Walk ", el("span", { class: "dim" }, `${top}-level, ${end}; `),
    denied ? el("span", { class: "bad", id: "blame" }, `denied by ${entry.level_name(blame_level, top)} ${blame_bit}`)
      : el("span", { class: "dim", id: "blame" }, "nothing in it denies the access"));
  const rows = list.map(({ level, slot, before, after }) => {
    const index = Number((address >> BigInt(12 + 9 * (level - 1))) & 511n);
    const changed = before !== after && slot !== null;
    return el("tr", { class: level === blame_level ? "blamed" : "" },
      el("th", { scope: "row" }, entry.level_name(level, top), el("span", { class: "index" }, `[${index}]`)),
      el("td", { class: "mono dim" }, slot === null ? "no table" : hex(slot)),
      el("td", {}, slot === null ? el("span", { class: "dim" }, "–") : before === null ? el("span", { class: "dim" }, "no table") : picture(before, level, level === blame_level ? blame_bit : "", null)),
      el("td", { class: "arrow", "aria-hidden": "true" }, changed ? "→" : ""),
      el("td", {}, changed ? picture(after!, level, "", before ?? 0n) : el("span", { class: "dim" }, slot === null ? "" : "unchanged")));
  });
  return [caption, split_address(address, top, list[list.length - 1]!.level),
    el("table", { class: "walk" }, el("thead", {}, el("tr", {}, ...["level", "entry at", "before", "", "after"].map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, ...rows))];
}

// The address as the walk cuts it.
function split_address(address: bigint, top: number, lowest: number): HTMLElement {
  const parts: HTMLElement[] = [];
  for (let level = top; level >= 1; --level) {
    const shift = 12 + 9 * (level - 1);
    parts.push(el("span", { class: level < lowest ? "dim" : "" }, el("small", {}, `${entry.level_name(level, top)} ${shift + 8}:${shift}`), mono(String((address >> BigInt(shift)) & 511n))));
  }
  parts.push(el("span", {}, el("small", {}, "offset 11:0"), mono(hex(address & 0xfffn))));
  return el("div", { class: "cut" }, ...parts);
}

// An entry: what it is, its frame, its bits. `was`: mark what differs from it.
function picture(value: bigint, level: number, blamed: string, was: bigint | null): HTMLElement {
  const what = entry.kind(value, level);
  const wanted = blamed === "canonical" ? "" : blamed;
  const target = what === "table" ? `table ${hex(entry.frame(value, level))}` : what === "page" || what === "protnone" ? `frame ${hex(entry.frame(value, level))}` : what;
  const chips = entry.bits(level, (value & entry.kPresent) !== 0n).filter(({ always, mask, name }) => always || value & mask || name === wanted).map(({ name, mask, title }) => {
    const set = (value & mask) !== 0n;
    const differs = was !== null && (was & mask) !== (value & mask);
    const classes = ["bit", set ? "set" : "clear", name === wanted ? "blame" : "", differs ? "changed" : ""].filter(Boolean).join(" ");
    const state = `${title}: ${set ? "set" : "clear"}${name === wanted ? ", denies the access" : ""}${differs ? ", changed" : ""}`;
    return el("span", { class: classes, title: state, "aria-label": state }, name);
  });
  if (wanted === "RSVD") chips.push(el("span", { class: "bit set blame", title: "a reserved bit is set" }, "RSVD"));
  const raw = value === 0n ? "0" : "0x" + value.toString(16).padStart(16, "0");
  return el("div", { class: "entry" }, el("div", {}, mono(raw), el("span", { class: "target" }, ` ${value === 0n ? "none" : target}`)),
    value === 0n && wanted === "" ? null : el("div", { class: "bits" }, ...chips));
}

function edits(model: Model, fault: number): HTMLElement[] {
  const { data } = model;
  const first = data.column("fault.first_edit")[fault]!, total = data.column("fault.edits")[fault]!, left_out = data.column("fault.edits_left_out")[fault]!;
  const frames = frame_text(model, fault);
  if (total === 0 && frames === "") return [el("h3", {}, "No entry changed")];
  const body = el("tbody");
  const fill = (most: number): void => {
    const rows = Array.from({ length: Math.min(total, most) }, (_, n) => {
      const e = first + n, level = data.column("edit.level")[e]!;
      const before = at(data.wide("edit.before"), e), after = at(data.wide("edit.after"), e);
      return el("tr", {}, el("th", { scope: "row" }, entry.level_name(level, data.header.levels)), el("td", { class: "mono" }, hex(at(data.wide("edit.address"), e))),
        el("td", { class: "mono dim" }, hex(at(data.wide("edit.slot"), e))), el("td", { class: "mono" }, short(before, level)), el("td", { class: "arrow", "aria-hidden": "true" }, "→"), el("td", { class: "mono" }, short(after, level)));
    });
    if (total > most) rows.push(el("tr", {}, el("td", { colspan: 6 }, el("button", { type: "button", click: () => fill(total) }, `All ${count(total)}`))));
    replace(body, ...rows);
  };
  fill(kEditsShown);
  return [
    el("h3", {}, plural(total, "entry", "entries"), " changed ", el("span", { class: "dim" }, frames)),
    el("table", { class: "edits" }, el("thead", {}, el("tr", {}, ...["level", "address", "entry at", "before", "", "after"].map((head) => el("th", { scope: "col" }, head)))), body),
    ...(left_out > 0 ? [el("p", { class: "dim" }, `and ${count(left_out)} more that this page does not have`)] : []),
  ];
}

function short(value: bigint, level: number): string {
  if (value === 0n) return "none";
  const set = entry.bits(level, (value & entry.kPresent) !== 0n).filter(({ mask }) => value & mask).map(({ name }) => name).join(" ");
  const what = entry.kind(value, level);
  return what === "table" || what === "page" || what === "protnone" ? `${hex(entry.frame(value, level))} [${set}]` : `${what} ${hex(value)}`;
}

// Where each fault's frames begin, made when the first fault is opened.
const starts = new WeakMap<Model, Uint32Array>();

function frame_text(model: Model, fault: number): string {
  const allocated = model.data.column("fault.allocated"), copied = model.data.column("fault.copied");
  let begin = starts.get(model);
  if (!begin) {
    begin = new Uint32Array(model.faults);
    for (let n = 1; n < model.faults; ++n) begin[n] = begin[n - 1]! + allocated[n - 1]! + 2 * copied[n - 1]!;
    starts.set(model, begin);
  }
  const frames = model.data.wide("fault.frames");
  let next = begin[fault]!;
  const take = (): string => hex(at(frames, next++));
  const fresh = Array.from({ length: allocated[fault]! }, take);
  const copies = Array.from({ length: copied[fault]! }, () => `${take()} copied to ${take()}`);
  return [fresh.length > 0 ? `frames allocated ${fresh.join(", ")}` : "", ...copies].filter(Boolean).join(" · ");
}
