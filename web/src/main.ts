// Puts the page together: data, views, tabs, theme, keys.
import "uplot/dist/uPlot.min.css";
import "./style.css";
import { Data } from "./data";
import { by_id, el, replace } from "./dom";
import { Faults } from "./faults";
import type { Filter } from "./filter";
import { AddressMap } from "./map";
import { Model } from "./model";
import { Overview } from "./overview";

const kTabs = ["overview", "faults", "map"] as const;
type Tab = (typeof kTabs)[number];

function theme_switch(changed: () => void): void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const now = (): string => document.documentElement.dataset["theme"] ?? (dark.matches ? "dark" : "light");
  const button = by_id("theme");
  const apply = (): void => {
    button.textContent = now() === "dark" ? "Light" : "Dark";
    changed();
  };
  button.addEventListener("click", () => {
    document.documentElement.dataset["theme"] = now() === "dark" ? "light" : "dark";
    apply();
  });
  dark.addEventListener("change", apply);
  apply();
}

function start(data: Data): void {
  const model = new Model(data);
  const command = data.header.command.join(" ");
  document.title = `${command || "recording"} – Faultline`;
  by_id("command").textContent = command;

  let shown: Tab = "overview";
  const show = (tab: Tab, focus = false): void => {
    shown = tab;
    for (const name of kTabs) {
      const button = by_id(`tab-${name}`);
      button.setAttribute("aria-selected", String(name === tab));
      button.tabIndex = name === tab ? 0 : -1;
      by_id(`${name}-panel`).hidden = name !== tab;
    }
    if (focus) by_id(`tab-${tab}`).focus();
    if (tab === "overview") overview.draw();
    if (tab === "map") address_map();
  };
  const show_faults = (filter: Partial<Filter>): void => {
    faults.show(filter);
    show("faults");
  };
  const faults: Faults = new Faults(model, (space, fault) => {
    show("map");
    address_map().show(space, fault);
  }, (fault) => history.replaceState(null, "", fault < 0 ? "#faults" : `#fault=${model.event[fault]}`));
  const overview = new Overview(model, show_faults, (fault) => {
    show("faults");
    faults.open(fault, true);
  });
  // Sorting the pages takes a moment: not before somebody wants to see them.
  let map: AddressMap | null = null;
  const address_map = (): AddressMap => {
    if (map) return map;
    map = new AddressMap(model, show_faults);
    replace(by_id("map-panel"), map.element);
    map.recolour();
    return map;
  };
  replace(by_id("overview-panel"), overview.element);
  replace(by_id("faults-panel"), faults.element);

  for (const name of kTabs) by_id(`tab-${name}`).addEventListener("click", () => show(name));
  by_id("tabs").addEventListener("keydown", (event) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step !== 0) show(kTabs[(kTabs.indexOf(shown) + step + kTabs.length) % kTabs.length]!, true);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || (event.target as Element).matches("input:not([type=range]):not([type=radio]), select")) return;
    if (event.key >= "1" && event.key <= "3") show(kTabs[Number(event.key) - 1]!, true);
    if (event.key !== "/") return;
    event.preventDefault();
    show("faults");
    faults.focus_search();
  });
  show("overview");
  theme_switch(() => {
    overview.draw();
    map?.recolour();
  });
  const linked = /^#fault=(\d+)$/.exec(location.hash);
  const fault = linked ? model.event.indexOf(Number(linked[1])) : -1;
  if (fault >= 0) {
    show("faults");
    faults.open(fault, false);
  }
}

async function main(): Promise<void> {
  const source = by_id("data");
  try {
    const data = await Data.load(source.textContent ?? "");
    source.remove();
    start(data);
    by_id("loading").remove();
    document.documentElement.dataset["ready"] = "yes";
  } catch (error) {
    replace(by_id("loading"), el("p", {}, `This page cannot be shown: ${error instanceof Error ? error.message : String(error)}`));
    throw error;
  }
}
void main();
