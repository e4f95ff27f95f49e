// The address space: its VMAs, and its pages as a map that zooms from the whole space to a page.
import { each_frame, el, replace } from "./dom";
import { kAbsent, kStates } from "./entry";
import type { Filter } from "./filter";
import { VirtualList } from "./list";
import { lower_bound, type Model } from "./model";
import { first_area, kGutter, Painter } from "./painter";
import { fitting, kColumns, kMostZoom, Layout } from "./rows";
import { type Area, Space } from "./space";
import { bytes, count, duration, hex, plural } from "./text";

const kRowHeight = 13, kGapHeight = 22, kMostProcesses = 2000;

export class AddressMap {
  readonly element: HTMLElement;
  private space!: Space;
  private layout!: Layout;
  private areas: Area[] = [];
  private states: Uint8Array = new Uint8Array();
  private event = 0;
  private heat = false;
  private hottest = 1;
  private cursor = -1;
  private fitted = false;
  private readonly canvas = el("canvas", { "aria-hidden": "true" });
  private readonly painter = new Painter(this.canvas);
  private readonly sizer = el("div");
  private readonly view = el("div", { class: "map-view focusable", tabindex: 0, role: "application", id: "map", "aria-label": "Map of the address space", "aria-describedby": "cell" }, this.canvas, this.sizer);
  private readonly info = el("output", { id: "cell", class: "mono", "aria-live": "polite" });
  private readonly here = el("button", { type: "button", id: "cell-faults", hidden: true }, "Faults here");
  private readonly scale = el("output", { id: "map-scale" });
  private readonly moment = el("output", { id: "map-moment" });
  private readonly slider = el("input", { type: "range", min: 0, max: 0, step: 1, "aria-label": "After fault", id: "map-time" });
  private readonly list: VirtualList;
  private readonly process: HTMLSelectElement;
  private readonly paint = each_frame(() => this.draw());
  private readonly move = each_frame(() => this.at_moment());

  constructor(private readonly model: Model, private readonly show_faults: (filter: Partial<Filter>) => void) {
    const show = (row: number): void => this.go(this.areas[row]!);
    this.list = new VirtualList("VMAs", show, show);
    this.process = el("select", { "aria-label": "Process", id: "map-process", change: () => this.choose(Number(this.process.value)) },
      ...model.taken_spaces.slice(0, kMostProcesses).map((n) => el("option", { value: n }, model.space_text(n))));
    this.here.addEventListener("click", () => this.list_faults());
    this.slider.addEventListener("input", this.move);
    this.view.addEventListener("scroll", this.paint, { passive: true });
    this.view.addEventListener("keydown", (event) => this.key(event));
    for (const name of ["focus", "blur"]) this.view.addEventListener(name, this.paint);
    this.view.addEventListener("mousemove", (event) => this.describe(this.cell_at(event)));
    this.view.addEventListener("mouseleave", () => this.describe(this.cursor));
    this.view.addEventListener("click", (event) => this.put_cursor(this.cell_at(event)));
    this.view.addEventListener("dblclick", (event) => this.zoom_to(this.layout.zoom - 3, this.cell_at(event)));
    this.view.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoom_to(this.layout.zoom + (event.deltaY > 0 ? 1 : -1), this.cell_at(event));
    }, { passive: false });
    new ResizeObserver(() => (this.fitted ? this.paint() : this.fit())).observe(this.view);
    this.element = el("div", { class: "map" }, this.bar(), el("div", { class: "split" }, this.vma_table(), el("div", { class: "map-main" }, this.view, this.foot())));
    const faults = new Float64Array(Math.max(1, model.spaces.length));
    for (const space of model.space) ++faults[space]!;
    if (model.spaces.length > 0) this.choose(faults.indexOf(faults.reduce((most, n) => Math.max(most, n))));
  }

  recolour(): void {
    this.painter.recolour();
    this.paint();
  }
  // The page of a fault, just after it.
  show(space: number, fault: number): void {
    if (this.space.index !== space) this.choose(space);
    this.slider.value = String(lower_bound(this.space.faults, fault) + 1);
    this.at_moment();
    const page = this.model.data.pages("fault.address")[fault]!;
    this.fitted = true;
    this.zoom_to(0, page);
    this.put_cursor(page);
    this.view.focus();
  }

  private choose(index: number): void {
    this.process.value = String(index);
    this.space = new Space(this.model, index);
    this.slider.max = String(this.space.faults.length);
    this.slider.value = this.slider.max;
    this.cursor = -1;
    this.fitted = false;
    this.set_layout(new Layout(this.space, 0, kRowHeight, kGapHeight));  // until there is a size to fit
    this.at_moment();
    this.fit();
    this.describe(-1);
  }
  private fit(): void {
    if (this.view.clientHeight < 50 || !this.space) return;
    this.fitted = true;
    this.set_layout(fitting(this.space, kRowHeight, kGapHeight, this.view.clientHeight - 4));
    this.view.scrollTop = 0;
  }
  private set_layout(layout: Layout): void {
    this.layout = layout;
    this.sizer.style.height = `${layout.height}px`;
    const { cell_pages: pages } = layout;
    this.scale.value = `${bytes(pages * 4096)} a cell`;
    this.hottest = 1;
    let cell = -1, faults = 0;
    for (const page of this.space.fault_pages) {
      const at = Math.floor(page / pages);
      faults = at === cell ? faults + 1 : 1;
      cell = at;
      this.hottest = Math.max(this.hottest, faults);
    }
    this.paint();
  }
  private at_moment(): void {
    const { faults } = this.space, done = Number(this.slider.value);
    this.event = done === 0 ? (this.model.event[faults[0] ?? 0] ?? 1) - 1 : this.model.event[faults[done - 1]!]!;
    this.moment.value = faults.length === 0 ? "no fault" : done === 0 ? "before the first fault"
      : `after ${count(done)} of ${plural(faults.length, "fault")} · event ${count(this.event)} · ${duration(this.model.time[faults[done - 1]!]!)}`;
    this.areas = this.space.areas_at(this.event);
    this.states = this.space.states_at(this.event, this.areas);
    const { areas, space, states } = this;
    this.list.show({ rows: areas.length, fill: (row, element) => {
      const { start, end, flags, name } = areas[row]!;
      let resident = 0;
      for (let n = lower_bound(space.pages, start); n < space.pages.length && space.pages[n]! < end; ++n) if (states[n] !== kAbsent) ++resident;
      const cells: [string, string][] = [["a", `${address(start)}-${address(end)}`], ["f", flags], ["b", bytes((end - start) * 4096)], ["r", count(resident)],
        ["k", count(space.faults_in(start, end, this.event, this.model.event))], ["v", name.split("/").pop()!]];
      while (element.children.length < cells.length) element.append(el("span"));
      cells.forEach(([kind, text], n) => {
        const cell = element.children[n] as HTMLElement;
        cell.className = kind, cell.textContent = text;
        if (kind === "v") cell.title = name;
      });
    } }, this.list.selected);
    this.describe(this.cursor);
    this.paint();
  }

  private draw(): void {
    if (!this.layout || this.view.clientHeight === 0) return;
    const { space, layout, areas, states, event, heat, hottest, cursor } = this;
    this.painter.paint({ space, layout, areas, states, event, events: this.model.event, heat, hottest, cursor, focused: document.activeElement === this.view },
      this.view.scrollTop, this.view.clientWidth, this.view.clientHeight);
  }

  // First page of the cell under the mouse; -1: none.
  private cell_at(event: MouseEvent): number {
    const box = this.view.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left - kGutter) / Painter.cell_width(this.view.clientWidth));
    const row = this.layout.row_at(event.clientY - box.top + this.view.scrollTop);
    return row < 0 || column < 0 || column >= kColumns ? -1 : row * this.layout.row_pages + column * this.layout.cell_pages;
  }
  private put_cursor(page: number): void {
    if (page < 0) return;
    this.cursor = page - (page % this.layout.cell_pages);
    const top = this.layout.top_of(this.cursor), view = this.view.clientHeight;
    if (top < this.view.scrollTop + kGapHeight) this.view.scrollTop = top - kGapHeight;
    else if (top + 2 * kRowHeight > this.view.scrollTop + view) this.view.scrollTop = top + 2 * kRowHeight - view;
    this.describe(this.cursor);
    this.paint();
  }
  // Keeps the row of `page` where it is.
  private zoom_to(zoom: number, page = this.cursor): void {
    zoom = Math.max(0, Math.min(zoom, kMostZoom));
    if (page < 0) page = this.row_in_middle();
    if (zoom !== this.layout.zoom) {
      const height = this.layout.top_of(page) - this.view.scrollTop;
      const visible = height >= 0 && height < this.view.clientHeight;
      this.set_layout(new Layout(this.space, zoom, kRowHeight, kGapHeight));
      this.view.scrollTop = this.layout.top_of(page) - (visible ? height : this.view.clientHeight / 3);
    }
    if (this.cursor >= 0) this.put_cursor(page);
    this.paint();
  }
  private row_in_middle(): number {
    for (let y = this.view.scrollTop + this.view.clientHeight / 2; y >= this.view.scrollTop; y -= kRowHeight) {
      const row = this.layout.row_at(y);
      if (row >= 0) return row * this.layout.row_pages;
    }
    return this.layout.stretches[0] ? this.layout.stretches[0].row * this.layout.row_pages : 0;
  }
  // A VMA: as fine as it fits.
  private go(area: Area): void {
    const rows = Math.max(1, Math.floor(this.view.clientHeight / kRowHeight) - 4);
    let zoom = 0;
    while (zoom < kMostZoom && (area.end - area.start) / (kColumns * 2 ** zoom) > rows) ++zoom;
    this.zoom_to(zoom, area.start);
    this.view.scrollTop = this.layout.top_of(area.start) - 2 * kRowHeight;
    this.put_cursor(area.start);
  }
  private whole(): void {
    let zoom = 0;
    const pages = 2 ** ((this.model.data.header.levels === 5 ? 56 : 47) - 12), rows = Math.floor(this.view.clientHeight / kRowHeight);
    while (pages / (kColumns * 2 ** zoom) > rows) ++zoom;
    this.zoom_to(zoom);
  }

  private describe(page: number): void {
    const { space, layout } = this;
    this.here.hidden = true;
    if (page < 0 || !layout) {
      this.info.value = "Arrows move, + and − zoom, Enter zooms in, f lists the faults of a cell, Home shows all.";
      return;
    }
    const start = page - (page % layout.cell_pages), end = start + layout.cell_pages;
    const counts = new Uint32Array(kStates.length);
    for (let n = lower_bound(space.pages, start); n < space.pages.length && space.pages[n]! < end; ++n) if (this.states[n] !== kAbsent) ++counts[this.states[n]!]!;
    const mapped = counts.reduce((sum, n) => sum + n, 0);
    const inside: Area[] = [];
    for (let n = first_area(this.areas, start); n < this.areas.length && this.areas[n]!.start < end; ++n) inside.push(this.areas[n]!);
    const faults = space.faults_in(start, end, this.event, this.model.event);
    const what = inside.length === 0 ? "no VMA" : inside.length === 1 ? `${inside[0]!.flags} ${inside[0]!.name}` : plural(inside.length, "VMA");
    const by_state = [...counts].flatMap((n, state) => (n > 0 ? [layout.cell_pages === 1 ? kStates[state]! : `${count(n)} ${kStates[state]}`] : []));
    const pages = layout.cell_pages === 1 ? (mapped > 0 ? by_state[0]! : "not mapped") : `${count(mapped)} of ${plural(layout.cell_pages, "page")} mapped${by_state.length > 0 ? ": " + by_state.join(", ") : ""}`;
    this.info.value = `${hex(BigInt(start) << 12n)} + ${bytes(layout.cell_pages * 4096)} · ${what} · ${pages} · ${plural(faults, "fault")}`;
    this.here.hidden = faults === 0 || page !== this.cursor;
  }
  private list_faults(): void {
    if (this.cursor < 0) return;
    const start = BigInt(this.cursor) << 12n, end = start + (BigInt(this.layout.cell_pages) << 12n);
    this.show_faults({ range: `${hex(start)}..${hex(end)}`, space: this.model.taken_spaces.length > 1 ? String(this.space.index) : "" });
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const { layout } = this;
    const step = (rows: number, columns: number) => () => {
      if (this.cursor < 0) return this.put_cursor(this.row_in_middle());
      let row = Math.floor(this.cursor / layout.row_pages), column = Math.floor((this.cursor % layout.row_pages) / layout.cell_pages) + columns;
      if (column < 0) { const above = layout.step(row, -1); column = above === row ? 0 : kColumns - 1, row = above; }
      else if (column >= kColumns) { const below = layout.step(row, 1); column = below === row ? kColumns - 1 : 0, row = below; }
      else if (rows !== 0) row = layout.step(row, rows);
      this.put_cursor(row * layout.row_pages + column * layout.cell_pages);
    };
    const page = Math.max(1, Math.floor(this.view.clientHeight / kRowHeight) - 3);
    const actions: { [key: string]: () => void } = {
      ArrowUp: step(-1, 0), ArrowDown: step(1, 0), ArrowLeft: step(0, -1), ArrowRight: step(0, 1), PageUp: step(-page, 0), PageDown: step(page, 0),
      "+": () => this.zoom_to(layout.zoom - 1), "=": () => this.zoom_to(layout.zoom - 1), "-": () => this.zoom_to(layout.zoom + 1),
      Enter: () => (layout.zoom > 0 ? this.zoom_to(layout.zoom - 3) : this.list_faults()), f: () => this.list_faults(), Home: () => this.fit(), Escape: () => this.fit(),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  private bar(): HTMLElement {
    const button = (text: string, label: string, id: string, click: () => void): HTMLElement => el("button", { type: "button", "aria-label": label, title: label, id, click }, text);
    const mode = (text: string, heat: boolean): HTMLElement => {
      const radio = el("input", { type: "radio", name: "map-colour", value: text, change: () => { this.heat = heat; this.legend(); this.paint(); } });
      radio.checked = !heat;
      return el("label", {}, radio, text);
    };
    return el("div", { class: "bar" }, this.process,
      el("span", { class: "buttons", role: "group", "aria-label": "Zoom" }, button("−", "Zoom out", "map-out", () => this.zoom_to(this.layout.zoom + 1)), button("+", "Zoom in", "map-in", () => this.zoom_to(this.layout.zoom - 1)),
        button("Fit", "All that is used, as fine as it fits (Home)", "map-fit", () => this.fit()), button("Whole", "The whole address space", "map-whole", () => this.whole())), this.scale,
      el("span", { class: "radio", role: "radiogroup", "aria-label": "Colour by" }, mode("state", false), mode("faults", true)),
      el("span", { class: "grow" }), el("label", { class: "slider" }, this.slider), this.moment);
  }
  private readonly keys = el("span", { class: "legend" });
  private legend(): void {
    const key = (name: string, text: string): HTMLElement => el("span", { class: "key" }, el("i", { class: name }), text);
    replace(this.keys, ...(this.heat ? [key("fill-heat-low", "one fault"), key("fill-heat", "most")] : kStates.map((text, n) => key(`fill-state-${n}`, text))), key("fill-area", "VMA, not mapped"), key("fill-area-denied", "VMA without rights"));
  }
  private foot(): HTMLElement {
    this.legend();
    return el("div", { class: "map-foot" }, el("div", { class: "cell-line" }, this.info, this.here), this.keys);
  }
  private vma_table(): HTMLElement {
    const head = el("div", { class: "row head" }, ...[["a", "address"], ["f", "rights"], ["b", "size"], ["r", "pages"], ["k", "faults"], ["v", "name"]].map(([kind, text]) => el("span", { class: kind! }, text!)));
    return el("div", { class: "table vmas" }, head, this.list.element);
  }
}

const address = (page: number): string => (BigInt(page) << 12n).toString(16);

