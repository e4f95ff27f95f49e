// The charts, on uPlot: what they all share, the timeline of costs, memory over time, and the
// histogram.
import uPlot from "uplot";
import { colour, el, each_frame } from "./dom";
import { lower_bound, type Model } from "./model";
import { count, duration } from "./text";

export interface Points { label: string; colour: string; time: Float64Array; value: ArrayLike<number>; rows: Int32Array | null }

const kTimelineHeight = 190, kMemoryHeight = 90, kHistogramHeight = 210;

function axes(): { stroke: string; grid: uPlot.Axis.Grid; ticks: uPlot.Axis.Ticks; font: string } {
  const line = colour("line");
  return { stroke: colour("dim"), grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1, size: 4 }, font: "11px system-ui, sans-serif" };
}

const kRounding = 1e-9;
// A logarithmic axis has a line, a tick and a figure at each power of ten.
function decades(_: uPlot, __: number, least: number, most: number): number[] {
  const powers: number[] = [];
  for (let power = Math.ceil(Math.log10(least) - kRounding); power <= Math.log10(most) + kRounding; ++power) powers.push(10 ** power);
  return powers;
}
const plain = (text: string): string => text.replace(/\.0+ /, " ");
const durations = (_: uPlot, splits: number[]): string[] => splits.map((v) => plain(duration(v)));

// Times on an axis have one unit, and as many digits as tell them apart.
function times(_: uPlot, splits: number[]): string[] {
  const most = splits[splits.length - 1] ?? 0, step = splits.length > 1 ? splits[1]! - splits[0]! : most;
  const [unit, size] = most < 1e3 ? ["ns", 1] as const : most < 1e6 ? ["µs", 1e3] as const : most < 1e9 ? ["ms", 1e6] as const : ["s", 1e9] as const;
  const digits = Math.max(0, Math.ceil(-Math.log10(step / size) - kRounding));
  return splits.map((v) => `${(v / size).toFixed(Math.min(digits + (Number.isInteger((v / size) * 10 ** digits) ? 0 : 1), 6))} ${unit}`);
}

// Draws points one pixel column and row at most once: a hundred thousand cost what a thousand do.
function scatter(points: Points): uPlot.Series.PathBuilder {
  return (u) => {
    const scale_x = u.scales["x"]!, { left, top, width, height } = u.bbox;
    const size = Math.max(2, Math.round(1.6 * devicePixelRatio)), columns = Math.ceil(width / size) + 1;
    const drawn = new Uint8Array(columns * (Math.ceil(height / size) + 2));
    const first = lower_bound(points.time, scale_x.min!), last = lower_bound(points.time, scale_x.max! + 1);
    const { ctx } = u;
    ctx.save();
    ctx.beginPath(), ctx.rect(left, top, width, height), ctx.clip();
    ctx.fillStyle = points.colour;
    for (let n = first; n < last; ++n) {
      const x = u.valToPos(points.time[n]!, "x", true), y = u.valToPos(Math.max(1, points.value[n]!), "y", true);
      const cell = Math.floor((y - top) / size) * columns + Math.floor((x - left) / size);
      if (cell < 0 || cell >= drawn.length || drawn[cell]) continue;
      drawn[cell] = 1;
      ctx.fillRect(Math.round(x - size / 2), Math.round(y - size / 2), size, size);
    }
    ctx.restore();
    return null;
  };
}

// A chart that is drawn anew when its width or the colours change.
export class Chart {
  readonly element = el("div", { class: "chart" });
  private plot: uPlot | null = null;
  constructor(private readonly make: (width: number) => { options: uPlot.Options; data: uPlot.AlignedData } | null) {
    const resized = each_frame(() => this.draw());
    new ResizeObserver(() => {
      if (this.plot?.width !== this.element.clientWidth) resized();
    }).observe(this.element);
  }
  draw(): void {
    const width = this.element.clientWidth;
    if (width < 50) return;
    this.plot?.destroy();
    const made = this.make(width);
    this.plot = made && new uPlot(made.options, made.data, this.element);
  }
  get u(): uPlot | null {
    return this.plot;
  }
}

// Costs over time. Dragging, the wheel and keys change the model's time window.
export function timeline(model: Model, points: () => Points[], picked: (series: number, row: number) => void): Chart {
  const chart: Chart = new Chart((width) => {
    const all = points();
    const look = axes();
    let top = 1e4, bottom = 1e3;
    for (const { value } of all)
      for (let n = 0; n < value.length; ++n) top = Math.max(top, value[n]!), bottom = Math.min(bottom, Math.max(100, value[n]!));
    const range: [number, number] = [10 ** Math.floor(Math.log10(bottom)), 10 ** Math.ceil(Math.log10(top))];
    const options: uPlot.Options = {
      width, height: kTimelineHeight, legend: { show: false }, padding: [8, 26, 0, 0],
      scales: { x: { time: false, range: () => [model.window.from, model.window.to] }, y: { distr: 3, range: () => range } },
      axes: [
        { ...look, values: times, size: 28 },
        { ...look, size: 62, values: durations, splits: decades },
      ],
      cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false }, y: false },
      series: [{}, ...all.map((entry) => ({ label: entry.label, scale: "y", paths: scatter(entry), points: { show: false } }))],
      hooks: { setSelect: [(u) => {
        if (u.select.width < 4) return;
        const from = u.posToVal(u.select.left, "x"), to = u.posToVal(u.select.left + u.select.width, "x");
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        model.set_window(from, to);
      }], ready: [(u) => {
        u.over.addEventListener("click", (event) => pick(u, all, event, picked));
        u.over.addEventListener("dblclick", () => model.set_window(0, model.end_ns));
        u.over.addEventListener("wheel", (event) => {
          if (!event.ctrlKey && !event.shiftKey) return;  // the page scrolls
          event.preventDefault();
          zoom(model, (event.deltaY || event.deltaX) < 0 ? 0.7 : 1 / 0.7, u.posToVal(event.offsetX, "x"));
        }, { passive: false });
      }] },
    };
    // uPlot wants aligned columns; the points are drawn from their own.
    return { options, data: [[model.window.from, model.window.to], ...all.map(() => [1, 1])] as uPlot.AlignedData };
  });
  return chart;
}

function pick(u: uPlot, all: Points[], event: MouseEvent, picked: (series: number, row: number) => void): void {
  let best = 100, found: [number, number] | null = null;  // within 10 pixels
  all.forEach(({ time, value }, series) => {
    const first = lower_bound(time, u.posToVal(event.offsetX - 10, "x")), last = lower_bound(time, u.posToVal(event.offsetX + 10, "x"));
    for (let n = first; n < last; ++n) {
      const distance = (u.valToPos(time[n]!, "x") - event.offsetX) ** 2 + (u.valToPos(Math.max(1, value[n]!), "y") - event.offsetY) ** 2;
      if (distance < best) best = distance, found = [series, n];
    }
  });
  if (found) picked(found[0], found[1]);
}

export function zoom(model: Model, factor: number, centre = (model.window.from + model.window.to) / 2): void {
  const { from, to } = model.window;
  model.set_window(centre - (centre - from) * factor, centre + (to - centre) * factor);
}
export function pan(model: Model, share: number): void {
  const { from, to } = model.window, width = to - from;
  const start = Math.min(Math.max(0, from + share * width), model.end_ns - width);
  model.set_window(start, start + width);
}

// Steps: resident pages, on the axis of the timeline above it.
export function memory(model: Model, time: Float64Array, rss: Float64Array): Chart {
  return new Chart((width) => {
    if (time.length === 0) return null;
    const look = axes(), blue = colour("anonymous");
    const end = Math.max(model.end_ns, time[time.length - 1]!);
    const options: uPlot.Options = {
      width, height: kMemoryHeight, legend: { show: false }, padding: [8, 26, 0, 0],
      scales: { x: { time: false, range: () => [model.window.from, model.window.to] }, y: { range: (_, __, max) => [0, Math.max(4, max * 1.05)] } },
      axes: [{ ...look, values: times, size: 28 }, { ...look, size: 62, space: 24, values: (_, splits) => splits.map((v) => count(v)) }],
      cursor: { show: false },
      series: [{}, { scale: "y", stroke: blue, fill: blue + "22", width: 1.5, paths: uPlot.paths.stepped!({ align: 1 }), points: { show: false } }],
    };
    return { options, data: [[...time, end], [...rss, rss[rss.length - 1]!]] };
  });
}

const kPerDecade = 10;

export interface Distribution { label: string; colour: string; values: Float64Array }

// Counts by cost, both axes logarithmic.
export function histogram(groups: () => Distribution[]): Chart {
  return new Chart((width) => {
    const all = groups().filter(({ values }) => values.length > 0);
    if (all.length === 0) return null;
    let low = Infinity, high = 0;
    for (const { values } of all)
      for (const value of values) low = Math.min(low, Math.max(1, value)), high = Math.max(high, value);
    const first = Math.floor(Math.log10(low) * kPerDecade), last = Math.floor(Math.log10(Math.max(1, high)) * kPerDecade) + 1;
    const buckets = Array.from({ length: last - first + 1 }, (_, n) => 10 ** ((first + n) / kPerDecade));
    let most = 1;
    const counts = all.map(({ values }) => {
      const sums = new Float64Array(buckets.length);
      for (const value of values) ++sums[Math.min(last, Math.floor(Math.log10(Math.max(1, value)) * kPerDecade + 1e-9)) - first]!;
      for (const sum of sums) most = Math.max(most, sum);
      return Array.from(sums, (sum) => sum || kNothing);
    });
    const look = axes();
    const options: uPlot.Options = {
      width, height: kHistogramHeight, legend: { show: false }, padding: [8, 26, 0, 0],
      scales: {
        x: { time: false, distr: 3, range: () => [buckets[0]!, buckets[buckets.length - 1]!] },
        y: { distr: 3, range: () => [kNothing, 10 ** Math.ceil(Math.log10(most * 1.3))] },
      },
      axes: [
        { ...look, size: 28, values: durations, splits: decades },
        { ...look, size: 62, values: (_, splits) => splits.map(count), splits: decades },
      ],
      cursor: { drag: { x: false, y: false }, points: { show: false } },
      series: [{}, ...all.map(({ label, colour: ink }) => ({
        label, scale: "y", stroke: ink, fill: ink + "2a", width: 1.5, fillTo: () => kNothing,
        paths: uPlot.paths.stepped!({ align: 1 }), points: { show: false },
      }))],
    };
    return { options, data: [buckets, ...counts] as uPlot.AlignedData };
  });
}
const kNothing = 0.5;  // what a logarithmic axis has in place of 0
