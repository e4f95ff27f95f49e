// How the map lays an address space out: rows of 64 cells, a cell is a power of two of pages. Rows
// that nothing ever touched are folded to one line.
import type { Space } from "./space";

export const kColumns = 64;
export const kMostZoom = 40;  // log2 of the pages of a cell
const kJoined = 3;            // untouched rows between two others that are still drawn

export interface Stretch { row: number; rows: number; top: number; gap: number }  // gap: pages folded above it

export class Layout {
  readonly stretches: Stretch[] = [];
  readonly height: number;
  readonly cell_pages: number;

  constructor(space: Space, readonly zoom: number, readonly row_height: number, readonly gap_height: number) {
    this.cell_pages = 2 ** zoom;
    const span = kColumns * this.cell_pages;
    const touched = new Set<number>();
    for (const page of space.pages) touched.add(Math.floor(page / span));
    for (const page of space.fault_pages) touched.add(Math.floor(page / span));
    for (const { start, end } of space.all_areas()) touched.add(Math.floor(start / span)).add(Math.floor((end - 1) / span));
    let top = 0, end = 0;
    for (const row of Float64Array.from(touched).sort()) {
      const last = this.stretches[this.stretches.length - 1];
      if (last && row - end <= kJoined) {
        last.rows = row + 1 - last.row;
      } else {
        if (last) top = last.top + last.rows * row_height;
        if (row > end) top += gap_height;
        this.stretches.push({ row, rows: 1, top, gap: (row - end) * span });
      }
      end = row + 1;
    }
    const last = this.stretches[this.stretches.length - 1];
    this.height = last ? last.top + last.rows * row_height : 0;
  }

  get row_pages(): number {
    return kColumns * this.cell_pages;
  }
  // Pixels from the top to the row of a page; of the next row there is when that one is folded.
  top_of(page: number): number {
    const row = Math.floor(page / this.row_pages);
    for (const { row: first, rows, top } of this.stretches) {
      if (row < first) return top;
      if (row < first + rows) return top + (row - first) * this.row_height;
    }
    return this.height;
  }
  // The row at so many pixels; -1: there is none.
  row_at(y: number): number {
    for (const { row, rows, top } of this.stretches) if (y >= top && y < top + rows * this.row_height) return row + Math.floor((y - top) / this.row_height);
    return -1;
  }
  // The row so many drawn rows away.
  step(row: number, by: number): number {
    const order = this.stretches;
    let at = order.findIndex((stretch) => row < stretch.row + stretch.rows);
    if (at < 0) at = order.length - 1;
    let next = row + by;
    while (by > 0 && at + 1 < order.length && next >= order[at]!.row + order[at]!.rows) next = order[at + 1]!.row + (next - order[at]!.row - order[at]!.rows), ++at;
    while (by < 0 && at > 0 && next < order[at]!.row) next = order[at - 1]!.row + order[at - 1]!.rows - (order[at]!.row - next), --at;
    const { row: first, rows } = order[at]!;
    return Math.max(first, Math.min(next, first + rows - 1));
  }
}

// The finest zoom at which everything fits into so many pixels.
export function fitting(space: Space, row_height: number, gap_height: number, view: number): Layout {
  let low = 0, high = kMostZoom;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (new Layout(space, middle, row_height, gap_height).height <= view) high = middle;
    else low = middle + 1;
  }
  return new Layout(space, low, row_height, gap_height);
}
