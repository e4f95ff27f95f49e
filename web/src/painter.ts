// Draws the rows of the map that are in sight.
import { colour } from "./dom";
import { kAbsent, kStates } from "./entry";
import { lower_bound } from "./model";
import { kColumns, type Layout } from "./rows";
import type { Area, Space } from "./space";
import { bytes } from "./text";

export const kGutter = 112, kNames = 190, kPad = 8;

export interface Scene {
  space: Space;
  layout: Layout;
  areas: Area[];
  states: Uint8Array;
  event: number;
  events: Float64Array;
  heat: boolean;
  hottest: number;       // faults of the hottest cell
  cursor: number;        // first page of the chosen cell, -1: none
  focused: boolean;
}

export class Painter {
  private inks: { [name: string]: string } = {};
  private states: string[] = [];
  constructor(private readonly canvas: HTMLCanvasElement) {}

  recolour(): void {
    for (const name of ["text", "dim", "line", "area", "area-denied", "accent", "heat", "background"]) this.inks[name] = colour(name);
    this.states = kStates.map((_, n) => colour(`state-${n}`));
  }
  static cell_width(width: number): number {
    return Math.max(4, Math.floor((width - kGutter - kNames - 2 * kPad) / kColumns));
  }

  paint(scene: Scene, scroll: number, width: number, height: number): void {
    const ratio = devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio), this.canvas.height = Math.round(height * ratio);
      this.canvas.style.width = `${width}px`, this.canvas.style.height = `${height}px`;
    }
    const ctx = this.canvas.getContext("2d", { alpha: false })!;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.fillStyle = this.inks["background"]!;
    ctx.fillRect(0, 0, width, height);
    ctx.font = "11px ui-monospace, 'DejaVu Sans Mono', monospace";
    ctx.textBaseline = "middle";
    const { layout } = scene;
    for (const { row, rows, top, gap } of layout.stretches) {
      const y = top - scroll;
      if (y > height + layout.gap_height || y + rows * layout.row_height < 0) continue;
      if (gap > 0) this.fold(ctx, y - layout.gap_height / 2, gap, width);
      const first = Math.max(0, Math.floor(-y / layout.row_height)), last = Math.min(rows, Math.ceil((height - y) / layout.row_height));
      for (let n = first; n < last; ++n) this.row(ctx, scene, row + n, y + n * layout.row_height, Painter.cell_width(width), n === 0 || n === first);
    }
  }

  private fold(ctx: CanvasRenderingContext2D, y: number, pages: number, width: number): void {
    ctx.fillStyle = this.inks["dim"]!;
    const text = `⋯ ${bytes(pages * 4096)} untouched`;
    ctx.fillText(text, kGutter, y);
    ctx.strokeStyle = this.inks["line"]!;
    ctx.setLineDash([2, 4]);
    ctx.beginPath();
    ctx.moveTo(kGutter + ctx.measureText(text).width + 8, y), ctx.lineTo(width - kPad, y);
    ctx.stroke();
    ctx.setLineDash([]);
  }

  private row(ctx: CanvasRenderingContext2D, scene: Scene, row: number, y: number, cell: number, labelled: boolean): void {
    const { layout, areas } = scene, pages = layout.cell_pages, base = row * layout.row_pages, end = base + layout.row_pages;
    const height = layout.row_height - 1, shown = cell - 1;
    if (labelled || row % 4 === 0) {
      ctx.fillStyle = this.inks["dim"]!;
      ctx.textAlign = "right";
      ctx.fillText((BigInt(base) << 12n).toString(16), kGutter - 8, y + height / 2);
      ctx.textAlign = "left";
    }
    const starting: Area[] = [];
    for (let n = first_area(areas, base); n < areas.length && areas[n]!.start < end; ++n) {
      const area = areas[n]!;
      const from = Math.max(0, Math.floor((area.start - base) / pages)), to = Math.min(kColumns, Math.ceil((area.end - base) / pages));
      ctx.fillStyle = this.inks[area.flags.startsWith("---") ? "area-denied" : "area"]!;
      ctx.fillRect(kGutter + from * cell, y, (to - from) * cell - 1, height);
      if (area.start >= base || labelled) starting.push(area);
    }
    if (scene.heat) this.heat(ctx, scene, base, y, cell, shown, height);
    else this.state(ctx, scene, base, y, cell, shown, height);
    if (scene.cursor >= base && scene.cursor < end) {
      ctx.strokeStyle = this.inks[scene.focused ? "accent" : "text"]!;
      ctx.lineWidth = 2;
      ctx.strokeRect(kGutter + Math.floor((scene.cursor - base) / pages) * cell - 1, y - 1, shown + 2, height + 2);
      ctx.lineWidth = 1;
    }
    if (starting.length > 0) {
      ctx.fillStyle = this.inks["dim"]!;
      const { flags, name } = starting[0]!;
      const more = starting.length > 1 ? ` +${starting.length - 1}` : "";
      ctx.fillText(`${flags} ${shorten(name, 20 - more.length)}${more}`, kGutter + kColumns * cell + kPad, y + height / 2);
    }
  }

  private state(ctx: CanvasRenderingContext2D, scene: Scene, base: number, y: number, cell: number, shown: number, height: number): void {
    const { space, layout, states } = scene, pages = layout.cell_pages;
    const counts = new Uint32Array(kStates.length);
    let at = lower_bound(space.pages, base);
    for (let column = 0; column < kColumns && at < space.pages.length; ++column) {
      const end = base + (column + 1) * pages;
      counts.fill(0);
      let mapped = 0;
      for (; at < space.pages.length && space.pages[at]! < end; ++at) if (states[at] !== kAbsent) ++counts[states[at]!]!, ++mapped;
      if (mapped === 0) continue;
      // The fuller the cell, the stronger; a single page among thousands still shows.
      ctx.globalAlpha = 0.45 + 0.55 * Math.sqrt(mapped / pages);
      let top = y;
      counts.forEach((count, state) => {
        if (count === 0) return;
        const part = (height * count) / mapped;
        ctx.fillStyle = this.states[state]!;
        ctx.fillRect(kGutter + column * cell, top, shown, part);
        top += part;
      });
    }
    ctx.globalAlpha = 1;
    if (pages > 1 || cell < 7) return;
    // At one page a cell: a point where the page was faulted on itself, and not mapped beside another.
    ctx.fillStyle = this.inks["background"]!;
    for (let n = lower_bound(space.fault_pages, base); n < space.fault_pages.length && space.fault_pages[n]! < base + kColumns; ++n)
      if (scene.events[space.fault_rows[n]!]! <= scene.event) ctx.fillRect(kGutter + (space.fault_pages[n]! - base) * cell + shown / 2 - 1, y + height / 2 - 1, 2, 2);
  }

  private heat(ctx: CanvasRenderingContext2D, scene: Scene, base: number, y: number, cell: number, shown: number, height: number): void {
    const { space, layout } = scene, pages = layout.cell_pages;
    let at = lower_bound(space.fault_pages, base);
    ctx.fillStyle = this.inks["heat"]!;
    for (let column = 0; column < kColumns && at < space.fault_pages.length; ++column) {
      const end = base + (column + 1) * pages;
      let faults = 0;
      for (; at < space.fault_pages.length && space.fault_pages[at]! < end; ++at) if (scene.events[space.fault_rows[at]!]! <= scene.event) ++faults;
      if (faults === 0) continue;
      ctx.globalAlpha = 0.25 + 0.75 * (Math.log(faults + 1) / Math.log(scene.hottest + 1));
      ctx.fillRect(kGutter + column * cell, y, shown, height);
    }
    ctx.globalAlpha = 1;
  }
}

// First VMA that ends after a page.
export function first_area(areas: Area[], page: number): number {
  let low = 0, high = areas.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (areas[middle]!.end <= page) low = middle + 1;
    else high = middle;
  }
  return low;
}

// The end of a path says more than its start.
function shorten(name: string, most: number): string {
  return name.length <= most ? name : "…" + name.slice(name.length - most + 1);
}
