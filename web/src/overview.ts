// Summary: what ran, costs by exit reason and by path, the timeline, the histogram.
import { type Chart, type Distribution, histogram, memory, pan, type Points, timeline, zoom } from "./charts";
import { colour, each_frame, el, replace } from "./dom";
import type { Filter } from "./filter";
import { kKinds, lower_bound, type Model, quantile } from "./model";
import { bytes, count, duration, percent, plural } from "./text";

interface Group { name: string; costs: Float64Array; go?: Partial<Filter>; kind?: number }

const kReasonColours: { [reason: string]: string } = {};
const kInks = ["reason-0", "reason-1", "reason-2", "reason-3", "reason-4"];
const kRows = 12;

export class Overview {
  readonly element: HTMLElement;
  private readonly charts: Chart[] = [];
  private readonly tables = el("div", { class: "tables" });
  private readonly range = el("output", { class: "mono", id: "window" });
  private distribution = "exits";
  private readonly key = el("span", { class: "legend" });

  constructor(private readonly model: Model, show_faults: (filter: Partial<Filter>) => void, open_fault: (fault: number) => void) {
    const series = (): Points[] => this.series();
    const times = timeline(model, series, (index, row) => {
      const rows = series()[index]!.rows;
      if (rows) open_fault(rows[row]!);
    });
    const counters = this.counters();
    const distributions = histogram(() => this.distributions());
    this.charts.push(times, ...(counters ? [counters] : []), distributions);
    const refresh = each_frame(() => this.update(show_faults));
    model.on_window(refresh);
    this.element = el("div", { class: "overview" }, this.notes(), this.facts(),
      el("section", { "aria-labelledby": "timeline-head" },
        el("div", { class: "section-head" }, el("h2", { id: "timeline-head" }, "Timeline"), this.timeline_legend(), el("span", { class: "grow" }), this.range, this.zoom_buttons()),
        this.with_keys(times.element, "timeline", "Cost of each fault over time. Plus and minus zoom, left and right arrows move, 0 shows all."),
        counters && el("div", { class: "sub" }, "resident pages"), counters && counters.element),
      el("section", { "aria-labelledby": "histogram-head" },
        el("div", { class: "section-head" }, el("h2", { id: "histogram-head" }, "Histogram"), this.distribution_choice(), this.key),
        el("div", { id: "histogram", role: "img", "aria-label": "How many cost how much; both axes are logarithmic. The tables have the figures." }, distributions.element)),
      this.tables);
    this.update(show_faults);
  }

  draw(): void {
    for (const chart of this.charts) chart.draw();
    const { from, to } = this.model.window;
    this.range.value = this.model.whole ? `all ${duration(this.model.end_ns)}` : `${duration(from)} – ${duration(to)} (${duration(to - from)})`;
    replace(this.key, ...this.distributions().filter(({ values }) => values.length > 0).map(({ label, colour: ink }) => swatch(ink, label)));
  }

  private update(show_faults: (filter: Partial<Filter>) => void): void {
    const { model } = this;
    const paths = this.path_groups();
    const calls = this.call_groups();
    replace(this.tables,
      costs("Exits", "reason", "on the host until the guest runs again", this.exit_groups(), null),
      costs("Faults", "decided by", "by path; without the guest's own time", paths, show_faults),
      calls.length > 0 && costs("System calls", "call", "from start to end, waiting included", calls, null),
      processes(model, show_faults), signals(model));
    this.draw();
  }

  private exit_groups(): Group[] {
    const { exits, window, texts } = this.model;
    return grouped(exits.reason, exits.left, exits.cost, window, (reason) => texts[reason]!.replace(/_/g, " "));
  }
  private path_groups(): Group[] {
    const { model } = this;
    const groups = grouped(model.path, model.time, model.cost, model.window, (path) => model.paths[path]!, (path) => ({ path: `path:${path}` }));
    for (const group of groups) group.kind = model.path_kind[Number(group.go!.path!.slice(5))]!;
    return groups;
  }
  private call_groups(): Group[] {
    const { calls, window, texts } = this.model;
    return grouped(calls.name, calls.time, calls.duration, window, (name) => texts[name]!);
  }

  private series(): Points[] {
    const { model } = this;
    const calls: Points = { label: "system calls", colour: colour("call"), time: model.calls.time, value: model.calls.duration, rows: null };
    return [calls, ...kKinds.map((label, kind): Points => {
      const rows = Int32Array.from(indices(model.kind, kind));
      return { label, colour: colour(`kind-${kind}`), rows, time: Float64Array.from(rows, (n) => model.time[n]!), value: Float64Array.from(rows, (n) => model.cost[n]!) };
    }).filter(({ rows }) => rows!.length > 0)];
  }
  private timeline_legend(): HTMLElement {
    return el("span", { class: "legend" }, ...this.series().filter(({ time }) => time.length > 0).map(({ label }) => {
      const kind = (kKinds as readonly string[]).indexOf(label);
      return el("span", { class: "key" }, el("i", { class: kind >= 0 ? `fill-kind-${kind}` : "fill-call" }), label);
    }));
  }
  private distributions(): Distribution[] {
    if (this.distribution === "faults") {
      const { model } = this;
      return kKinds.map((label, kind) => ({ label, colour: colour(`kind-${kind}`), values: Float64Array.from(indices(model.kind, kind).filter((n) => inside(model, model.time[n]!)), (n) => model.cost[n]!) }));
    }
    if (this.distribution === "calls") return this.call_groups().slice(0, 5).map(({ name, costs: values }, n) => ({ label: name, colour: colour(kInks[n]!), values }));
    return this.exit_groups().map(({ name, costs: values }) => ({ label: name, colour: colour((kReasonColours[name] ??= kInks[Object.keys(kReasonColours).length % kInks.length]!)), values }));
  }
  private distribution_choice(): HTMLElement {
    const options: [string, string][] = [["exits", "exits by reason"], ["faults", "faults by kind"], ["calls", "system calls, the five dearest"]];
    return el("select", { id: "histogram-of", "aria-label": "Histogram of", change: (event: Event) => {
      this.distribution = (event.target as HTMLSelectElement).value;
      this.draw();
    } }, ...options.map(([value, text]) => el("option", { value }, text)));
  }

  private counters(): Chart | null {
    const { data } = this.model;
    const time = data.numbers("counter.time"), space = data.column("counter.space"), rss = data.numbers("counter.rss");
    if (time.length === 0) return null;
    // All processes together: each figure stands until the next one of its process.
    const now = new Map<number, number>();
    let sum = 0;
    const sums = Float64Array.from(rss, (pages, n) => {
      const process = this.model.spaces[space[n]!]!.process;
      sum += pages - (now.get(process) ?? 0);
      now.set(process, pages);
      return sum;
    });
    return memory(this.model, time, sums);
  }

  private zoom_buttons(): HTMLElement {
    const button = (text: string, label: string, click: () => void): HTMLElement => el("button", { type: "button", "aria-label": label, title: label, click }, text);
    return el("span", { class: "buttons", role: "group", "aria-label": "Zoom" }, button("−", "Zoom out", () => zoom(this.model, 2)), button("+", "Zoom in", () => zoom(this.model, 0.5)),
      button("‹", "Earlier", () => pan(this.model, -0.5)), button("›", "Later", () => pan(this.model, 0.5)), button("All", "Show all times", () => this.model.set_window(0, this.model.end_ns)));
  }
  private with_keys(element: HTMLElement, id: string, label: string): HTMLElement {
    const { model } = this;
    const actions: { [key: string]: () => void } = {
      "+": () => zoom(model, 0.5), "=": () => zoom(model, 0.5), "-": () => zoom(model, 2), ArrowLeft: () => pan(model, -0.25), ArrowRight: () => pan(model, 0.25), "0": () => model.set_window(0, model.end_ns), Escape: () => model.set_window(0, model.end_ns),
    };
    return el("div", { id, tabindex: 0, role: "group", class: "focusable", "aria-label": label, title: "Drag, or Ctrl and the wheel: zoom. Double click: all. Click a point: that fault.", keydown: (event: KeyboardEvent) => {
      const action = actions[event.key];
      if (!action || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      action();
    } }, element);
  }

  private notes(): HTMLElement | null {
    const { problem, left_out, ring, first } = this.model.data.header;
    const lines: string[] = [];
    if (problem) lines.push(`The recording ends early: ${problem}`);
    if (ring > 0 && first > 1) lines.push(`A ring of ${bytes(ring)}: it begins with event ${count(first)}; what was before is not known here.`);
    const missing = Object.entries(left_out).filter(([, n]) => n > 0).map(([what, n]) => `${count(n as number)} ${what}`);
    if (missing.length > 0) lines.push(`Too many for one page, left out: ${missing.join(", ")}`);
    return lines.length === 0 ? null : el("div", { class: "notes", role: "note" }, ...lines.map((line) => el("p", {}, line)));
  }

  private facts(): HTMLElement {
    const { model } = this, { header } = model.data;
    const outcomes = new Map<string, number>();
    for (let n = 0; n < model.faults; ++n) {
      const text = model.texts[model.end[n]!]!;
      outcomes.set(text, (outcomes.get(text) ?? 0) + 1);
    }
    let guest = 0;
    for (let n = 0; n < model.exits.left.length; ++n) guest += Math.max(0, model.exits.left[n]! - model.exits.entered[n]!);
    const rss = model.data.numbers("counter.rss");
    const fact = (label: string, value: string, more = ""): HTMLElement => el("div", {}, el("dt", {}, label), el("dd", {}, el("strong", {}, value), more && el("span", { class: "dim" }, ` ${more}`)));
    return el("dl", { class: "facts" },
      fact("time", duration(header.end_ns), `${percent(guest, header.end_ns)} in the guest`),
      fact("exits", count(model.exits.left.length)),
      fact("faults", count(model.faults), [...outcomes].map(([what, n]) => `${count(n)} ${what}`).join(", ")),
      fact("system calls", count(model.calls.time.length)),
      fact("resident at most", rss.length > 0 ? bytes(rss.reduce((most, pages) => Math.max(most, pages), 0) * 4096) : "–", `of ${bytes(header.memory)}`),
      fact("ended", header.end || "not recorded", header.end ? `status ${header.status}` : ""),
      fact("backend", header.backend, `${header.levels}-level, as Linux ${header.linux}`),
      fact("host", header.host_kernel, header.cpu),
      fact("recorded", new Date(header.started).toISOString().replace("T", " ").slice(0, 19) + " UTC", `by faultline ${header.faultline}`));
  }
}

const swatch = (ink: string, label: string): HTMLElement => {
  const mark = el("i");
  mark.style.background = ink;
  return el("span", { class: "key" }, mark, label);
};
const inside = (model: Model, time: number): boolean => time >= model.window.from && time <= model.window.to;

function indices(values: ArrayLike<number>, wanted: number): number[] {
  const found: number[] = [];
  for (let n = 0; n < values.length; ++n) if (values[n] === wanted) found.push(n);
  return found;
}

// Costs of the rows in the time window by a key, the largest sum first; each group sorted.
function grouped(keys: Uint32Array, time: Float64Array, cost: ArrayLike<number>, window: { from: number; to: number }, name: (key: number) => string, go?: (key: number) => Partial<Filter>): Group[] {
  const counts = new Map<number, number>();
  const sorted_by_time = lower_bound(time, window.from), end = lower_bound(time, window.to + 1);
  for (let n = sorted_by_time; n < end; ++n) counts.set(keys[n]!, (counts.get(keys[n]!) ?? 0) + 1);
  const costs = new Map([...counts].map(([key, n]) => [key, { at: 0, values: new Float64Array(n) }]));
  for (let n = sorted_by_time; n < end; ++n) {
    const group = costs.get(keys[n]!)!;
    group.values[group.at++] = cost[n]!;
  }
  const groups = [...costs].map(([key, { values }]) => ({ name: name(key), costs: values.sort(), ...(go ? { go: go(key) } : {}) }));
  const sums = new Map(groups.map((group) => [group, total(group.costs)]));
  return groups.sort((a, b) => sums.get(b)! - sums.get(a)!);
}
const total = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0);

function costs(title: string, what: string, note: string, groups: Group[], show: ((filter: Partial<Filter>) => void) | null): HTMLElement {
  const all = groups.reduce((sum, group) => sum + group.costs.length, 0);
  const time = groups.reduce((sum, group) => sum + total(group.costs), 0);
  const body = el("tbody");
  const fill = (most: number): void => {
    const rows = groups.slice(0, most).map(({ name, costs: values, go, kind }) => {
      const sum = total(values), share = time > 0 ? sum / time : 0;
      const label = show && go ? el("button", { type: "button", class: "link", title: "Show these faults", click: () => show(go) }, ...path_parts(name)) : el("span", {}, name);
      const bar = el("td", { class: "share" }, el("span", {}, percent(sum, time)));
      bar.style.setProperty("--share", `${(100 * share).toFixed(1)}%`);
      return el("tr", kind === undefined ? {} : { class: `kind-${kind}` }, el("th", { scope: "row" }, label), number(count(values.length)), number(duration(sum)), bar,
        ...[0.5, 0.9, 0.99, 1].map((p) => number(duration(quantile(values, p)))));
    });
    if (groups.length > most) rows.push(el("tr", {}, el("td", { colspan: 8 }, el("button", { type: "button", click: () => fill(groups.length) }, `All ${count(groups.length)}`))));
    replace(body, ...rows);
  };
  fill(kRows);
  const heads = [what, "count", "time", "share", "p50", "p90", "p99", "max"];
  return el("section", { class: "costs" }, el("div", { class: "section-head" }, el("h2", {}, title), el("span", { class: "dim" }, `${count(all)} · ${note}`)),
    el("table", { class: "figures" }, el("thead", {}, el("tr", {}, ...heads.map((head, n) => el("th", { scope: "col", class: n > 0 && n !== 3 ? "number" : "" }, head)))), body));
}
const number = (text: string): HTMLElement => el("td", { class: "number" }, text);

// The step that decided stands out.
function path_parts(name: string): (Node | string)[] {
  const cut = name.lastIndexOf(" > ");
  return cut < 0 ? [name] : [el("span", { class: "dim" }, name.slice(0, cut + 3)), name.slice(cut + 3)];
}

function processes(model: Model, show: (filter: Partial<Filter>) => void): HTMLElement | null {
  const taken = model.taken_spaces;
  if (taken.length < 2) return null;
  const faults = new Float64Array(model.spaces.length);
  for (const space of model.space) ++faults[space]!;
  const body = el("tbody");
  const fill = (most: number): void => {
    const rows = taken.slice(0, most).map((n) => {
      const { process, parent, program, status } = model.spaces[n]!;
      return el("tr", {}, el("th", { scope: "row" }, el("button", { type: "button", class: "link", title: "Show its faults", click: () => show({ space: String(n) }) }, String(process))),
      el("td", { class: "program" }, program), number(parent ? String(parent) : ""), number(count(faults[n]!)), number(status >= 0 ? String(status) : ""));
    });
    if (taken.length > most) rows.push(el("tr", {}, el("td", { colspan: 5 }, el("button", { type: "button", click: () => fill(Math.min(taken.length, 5000)) }, `All ${count(taken.length)}`))));
    replace(body, ...rows);
  };
  fill(kRows);
  return el("section", { class: "costs" }, el("div", { class: "section-head" }, el("h2", {}, "Processes"), el("span", { class: "dim" }, `${plural(taken.length, "address space")}: a process has a new one after exec`)),
    el("table", { class: "figures" }, el("thead", {}, el("tr", {}, ...["process", "program", "parent", "faults", "status"].map((head, n) => el("th", { scope: "col", class: n > 1 ? "number" : "" }, head)))), body));
}

function signals(model: Model): HTMLElement | null {
  const { data, texts } = model;
  const names = data.column("signal.name"), numbers = data.column("signal.number"), codes = data.column("signal.code"), actions = data.column("signal.action");
  if (names.length === 0) return null;
  const counts = new Map<string, number>();
  names.forEach((name, n) => {
    const text = [texts[name] || `signal ${numbers[n]}`, texts[codes[n]!], texts[actions[n]!]].filter(Boolean).join(" · ");
    counts.set(text, (counts.get(text) ?? 0) + 1);
  });
  return el("section", { class: "costs" }, el("div", { class: "section-head" }, el("h2", {}, "Signals"), el("span", { class: "dim" }, count(names.length))),
    el("table", { class: "figures" }, el("tbody", {}, ...[...counts].sort((a, b) => b[1] - a[1]).slice(0, 50).map(([text, n]) => el("tr", {}, el("th", { scope: "row" }, text), number(count(n)))))));
}
