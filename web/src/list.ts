// A list of any length: only the rows in sight exist. Keyboard: arrows, Page Up and Down, Home,
// End; Enter opens.
import { el, each_frame } from "./dom";

const kRowHeight = 22;
// Browsers stop at about 33 million pixels; beyond, a step of the scroll bar is more than a row.
const kMostPixels = 15_000_000;

export interface Source {
  rows: number;
  fill(row: number, element: HTMLElement): void;  // cells of one row
}

export class VirtualList {
  readonly element: HTMLDivElement;
  private readonly body = el("div", { class: "list-body", role: "presentation" });
  private pool: HTMLDivElement[] = [];
  private source: Source = { rows: 0, fill: () => {} };
  private selected_ = -1;
  private readonly refresh = each_frame(() => this.draw());

  constructor(label: string, private readonly select_changed: (row: number) => void, private readonly open: (row: number) => void) {
    this.element = el("div", { class: "list", role: "listbox", tabindex: 0, "aria-label": label }, this.body);
    this.element.addEventListener("scroll", this.refresh, { passive: true });
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.body.addEventListener("click", (event) => {
      const row = (event.target as Element).closest<HTMLElement>(".row")?.dataset["row"];
      if (row === undefined) return;
      this.select(Number(row));
      this.open(Number(row));
    });
    new ResizeObserver(this.refresh).observe(this.element);
  }

  get selected(): number {
    return this.selected_;
  }
  show(source: Source, selected = -1): void {
    this.source = source;
    this.selected_ = Math.min(selected, source.rows - 1);
    this.body.style.height = `${Math.min(source.rows * kRowHeight, kMostPixels)}px`;
    if (this.selected_ >= 0) this.reveal(this.selected_);
    this.draw();
  }
  select(row: number): void {
    row = Math.max(0, Math.min(row, this.source.rows - 1));
    if (this.source.rows === 0 || row === this.selected_) return;
    this.selected_ = row;
    this.reveal(row);
    this.draw();
    this.select_changed(row);
  }

  // Pixels of the scroll bar for a pixel of rows: 1 unless the list is longer than browsers draw.
  private get stretch(): number {
    const view = this.element.clientHeight, whole = this.source.rows * kRowHeight;
    return whole <= kMostPixels ? 1 : (kMostPixels - view) / (whole - view);
  }
  private reveal(row: number): void {
    const top = this.element.scrollTop / this.stretch, view = this.element.clientHeight;
    if (row * kRowHeight < top) this.element.scrollTop = row * kRowHeight * this.stretch;
    else if ((row + 1) * kRowHeight > top + view) this.element.scrollTop = Math.ceil(((row + 1) * kRowHeight - view) * this.stretch);
  }
  private key(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.element.clientHeight / kRowHeight) - 1);
    const steps: { [key: string]: number } = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.source.rows, End: this.source.rows };
    const step = steps[event.key];
    if (step !== undefined) this.select(this.selected_ < 0 ? (step > 0 && event.key !== "End" ? 0 : step) : this.selected_ + step);
    else if (event.key === "Enter" && this.selected_ >= 0) this.open(this.selected_);
    else return;
    event.preventDefault();
  }
  private draw(): void {
    const view = this.element.clientHeight, scrolled = this.element.scrollTop, top = scrolled / this.stretch;
    const first = Math.max(0, Math.floor(top / kRowHeight) - 2);
    const shown = Math.min(this.source.rows - first, Math.ceil(view / kRowHeight) + 4);
    while (this.pool.length < shown) {
      const row = el("div", { class: "row", role: "option" });
      this.pool.push(row);
      this.body.append(row);
    }
    this.pool.forEach((element, n) => {
      element.hidden = n >= shown;
      if (element.hidden) return;
      const row = first + n;
      element.dataset["row"] = String(row);
      element.id = `${this.element.getAttribute("aria-label")!.replace(/\W/g, "-")}-${row}`;
      element.style.transform = `translateY(${row * kRowHeight - top + scrolled}px)`;
      element.setAttribute("aria-selected", String(row === this.selected_));
      element.setAttribute("aria-setsize", String(this.source.rows));
      element.setAttribute("aria-posinset", String(row + 1));
      this.source.fill(row, element);
    });
    const active = this.pool.find((element) => !element.hidden && element.getAttribute("aria-selected") === "true");
    if (active) this.element.setAttribute("aria-activedescendant", active.id);
    else this.element.removeAttribute("aria-activedescendant");
  }
}
