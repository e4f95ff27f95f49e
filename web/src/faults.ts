// The list of faults with its filters, and beside it the one that is open.
import { at } from "./data";
import { detail } from "./detail";
import { each_frame, el, replace } from "./dom";
import { apply, type Filter, kNoFilter, outcome_text } from "./filter";
import { VirtualList } from "./list";
import { kKinds, type Model } from "./model";
import { count, duration, hex, parse_range } from "./text";

const kCommonVmas = 400;  // more names than these are not worth a menu

export class Faults {
  readonly element: HTMLElement;
  private filter: Filter = { ...kNoFilter };
  private rows: Int32Array = new Int32Array();
  private opened = -1;  // fault
  private readonly list: VirtualList;
  private readonly shown = el("output", { class: "count", id: "fault-count" });
  private readonly pane = el("section", { class: "detail", "aria-label": "The fault", hidden: true });
  private readonly controls = new Map<keyof Filter, HTMLInputElement | HTMLSelectElement>();
  private readonly chips = el("span", { class: "chips" });
  private readonly refresh = each_frame(() => this.update());

  constructor(private readonly model: Model, private readonly show_page: (space: number, fault: number) => void, private readonly opening: (fault: number) => void) {
    this.list = new VirtualList("Faults", (row) => {
      if (this.opened >= 0) this.open(this.rows[row]!, false);
    }, (row) => this.open(this.rows[row]!, true));
    const head = el("div", { class: "row head" }, ...this.heads());
    this.element = el("div", { class: "faults" }, this.bar(),
      el("div", { class: "split" }, el("div", { class: "table" }, head, this.list.element), this.pane));
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.opened < 0) return;
      event.preventDefault();
      this.close();
    });
    model.on_window(this.refresh);
    this.update();
  }

  // Narrows the list from elsewhere: all other filters are taken back.
  show(filter: Partial<Filter>): void {
    this.filter = { ...kNoFilter, ...filter };
    for (const [name, control] of this.controls) control.value = this.filter[name];
    this.update();
  }
  open(fault: number, focus: boolean): void {
    this.opened = fault;
    this.opening(fault);
    this.element.classList.add("open");
    this.pane.hidden = false;
    replace(this.pane, ...detail(this.model, fault, { close: () => this.close(), map: () => this.show_page(this.model.space[fault]!, fault) }));
    this.pane.scrollTop = 0;
    const row = this.rows.indexOf(fault);
    if (row >= 0) this.list.select(row);
    if (focus) this.pane.querySelector<HTMLElement>("h2")?.focus();
  }
  close(): void {
    this.opened = -1;
    this.pane.hidden = true;
    this.element.classList.remove("open");
    this.opening(-1);
    this.list.element.focus();
  }
  focus_search(): void {
    this.controls.get("text")?.focus();
  }

  private update(): void {
    const selected = this.list.selected >= 0 ? this.rows[this.list.selected] : -1;
    this.rows = apply(this.model, this.filter);
    this.shown.value = this.rows.length === this.model.faults ? `${count(this.model.faults)} faults` : `${count(this.rows.length)} of ${count(this.model.faults)} faults`;
    this.list.show({ rows: this.rows.length, fill: (row, element) => this.fill(this.rows[row]!, element) }, this.rows.indexOf(selected ?? -1));
    const bad = this.filter.range.trim() !== "" && parse_range(this.filter.range) === null;
    this.controls.get("range")!.setAttribute("aria-invalid", String(bad));
    const { from, to } = this.model.window;
    replace(this.chips, !this.model.whole && el("button", {
      type: "button", class: "chip", title: "Show all times", click: () => this.model.set_window(0, this.model.end_ns),
    }, `${duration(from)} – ${duration(to)} ✕`));
  }

  private fill(fault: number, element: HTMLElement): void {
    const { model } = this;
    const steps = model.data.header.paths[model.path[fault]!]!;
    const error = model.error[fault]!;
    const cells: [string, string][] = [
      ["n", count(model.data.column("fault.sequence")[fault]!)],
      ["t", duration(model.time[fault]!)],
      ["p", String(model.process[fault])],
      ["a", hex(at(model.address, fault))],
      ["e", error & 16 ? "exec" : error & 2 ? "write" : "read"],
      ["v", model.vma_text(model.vma[fault]!).split("/").pop()!],
      ["s", steps[steps.length - 1] ?? ""],
      ["o", outcome_text(model, fault).replace(/ \(.*/, "")],
      ["c", duration(model.cost[fault]!)],
    ];
    while (element.children.length < cells.length) element.append(el("span"));
    cells.forEach(([name, text], n) => {
      const cell = element.children[n] as HTMLElement;
      cell.className = name === "s" ? `s kind-${model.kind[fault]}` : name;
      cell.textContent = text;
    });
    element.classList.toggle("opened", fault === this.opened);
  }

  private heads(): HTMLElement[] {
    const sort = (key: string) => () => {
      this.filter.sort = this.filter.sort === key ? `-${key}` : key;
      this.update();
    };
    const by = (name: string, key: string, text: string) => el("button", { type: "button", class: name, title: "Sort; again: the other way round", click: sort(key) }, text);
    const plain = (name: string, text: string) => el("span", { class: name }, text);
    return [by("n", "event", "#"), plain("t", "time"), plain("p", "process"), by("a", "address", "address"), plain("e", "access"), plain("v", "VMA"),
      plain("s", "decided by"), plain("o", "outcome"), by("c", "cost", "cost")];
  }

  private bar(): HTMLElement {
    const { model } = this;
    const changed = (name: keyof Filter) => (event: Event) => {
      this.filter[name] = (event.target as HTMLInputElement).value;
      this.refresh();
    };
    const input = (name: keyof Filter, label: string, hint: string): HTMLElement => {
      const control = el("input", { type: "search", placeholder: hint, "aria-label": label, id: `filter-${name}`, spellcheck: "false", autocomplete: "off", input: changed(name) });
      this.controls.set(name, control);
      return control;
    };
    const select = (name: keyof Filter, label: string, ...options: HTMLElement[]): HTMLElement => {
      const control = el("select", { "aria-label": label, id: `filter-${name}`, change: changed(name) }, el("option", { value: "" }, label), ...options);
      this.controls.set(name, control);
      return control;
    };
    const spaces = model.taken_spaces.length < 2 ? null : select("space", "any process", ...model.taken_spaces.slice(0, kCommonVmas).map((n) => option(String(n), model.space_text(n))));
    return el("div", { class: "bar", role: "search" },
      input("text", "Text in a fault", "instruction, path, VMA, address …  ( / )"),
      select("path", "any path", ...this.path_options()),
      select("outcome", "any outcome", ...outcomes(model).map((text) => option(text, text))),
      spaces,
      select("vma", "any VMA", ...vma_names(model).map(([text, n]) => option(text, `${text}  ${count(n)}`))),
      input("range", "Addresses", "0x400000..0x403000"),
      el("button", { type: "button", id: "filter-clear", click: () => { this.model.set_window(0, this.model.end_ns); this.show({}); } }, "Clear"),
      this.chips, this.shown);
  }

  private path_options(): HTMLElement[] {
    const { model } = this;
    const by_kind = new Array<number>(kKinds.length).fill(0), by_path = new Array<number>(model.paths.length).fill(0);
    const by_step = new Map<string, number>();
    for (let n = 0; n < model.faults; ++n) ++by_path[model.path[n]!]!, ++by_kind[model.path_kind[model.path[n]!]!]!;
    by_kind[4] = model.kind.reduce((sum, kind) => sum + Number(kind === 4), 0);
    by_path.forEach((n, path) => new Set(model.data.header.paths[path]).forEach((step) => by_step.set(step, (by_step.get(step) ?? 0) + n)));
    const group = (label: string, ...options: HTMLElement[]): HTMLElement => el("optgroup", { label }, ...options);
    const paths = by_path.map((n, path) => [n, path] as const).sort((a, b) => b[0] - a[0]).slice(0, kCommonVmas);
    return [
      group("kind", ...kKinds.flatMap((kind, n) => (by_kind[n] ? [option(`kind:${n}`, `${kind}  ${count(by_kind[n]!)}`)] : []))),
      group("through", ...[...by_step].sort((a, b) => b[1] - a[1]).map(([step, n]) => option(`step:${step}`, `${step}  ${count(n)}`))),
      group("whole path", ...paths.map(([n, path]) => option(`path:${path}`, `${model.paths[path]}  ${count(n)}`))),
    ];
  }
}

const option = (value: string, text: string): HTMLElement => el("option", { value }, text);

function outcomes(model: Model): string[] {
  const signal = model.data.column("fault.signal");
  const seen = new Set<string>();
  for (let n = 0; n < model.faults; ++n) {
    seen.add(model.texts[model.end[n]!]!);
    if (signal[n]) seen.add(model.texts[signal[n]!]!);
  }
  return [...seen].sort();
}

function vma_names(model: Model): [string, number][] {
  const by_vma = new Uint32Array(model.vma_name.length + 1), counts = new Map<string, number>();
  for (const vma of model.vma) ++by_vma[vma]!;
  by_vma.forEach((n, vma) => n > 0 && counts.set(model.vma_text(vma), (counts.get(model.vma_text(vma)) ?? 0) + n));
  return [...counts].sort((a, b) => b[1] - a[1]).slice(0, kCommonVmas);
}

