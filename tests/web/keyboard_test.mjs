// The report without a mouse: the order of focus, the list, the timeline, the map.
import assert from "node:assert/strict";
import { in_browser, made_up, shown, until } from "./browser.mjs";

const kFaults = 400;

await in_browser(async ({ folder, open }) => {
  const page = await open(made_up(folder, kFaults));
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.getAttribute("aria-label") || document.activeElement.tagName);
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };

  // Tabs: one stop, arrows within; what has the focus shows it.
  await press("Tab");
  assert.equal(await focused(), "tab-overview");
  assert.equal(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "solid");
  await press("ArrowRight");
  assert.equal(await focused(), "tab-faults");

  // The theme, every filter in turn, the list after them.
  const order = [];
  for (let n = 0; n < 14 && order.at(-1) !== "Faults"; ++n) {
    await press("Tab");
    order.push(await focused());
  }
  assert.deepEqual(order.slice(0, 7), ["theme", "filter-text", "filter-path", "filter-outcome", "filter-vma", "filter-range", "filter-clear"]);
  assert.equal(order.at(-1), "Faults");

  const selected = () => page.locator('.list[aria-label="Faults"] .row[aria-selected="true"]:not([hidden]) .n').textContent();
  await press("ArrowDown");
  assert.equal(await selected(), "1");
  await press("ArrowDown", "ArrowDown");
  assert.equal(await selected(), "3");
  await press("End");
  assert.equal(await selected(), String(kFaults));
  await press("PageUp", "Home");
  assert.equal(await selected(), "1");
  assert.equal(await page.getAttribute('.list[aria-label="Faults"]', "aria-activedescendant"), "Faults-0");

  // Enter opens and moves on to the fault, Esc closes and comes back.
  await press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Fault 1");
  assert.ok(await page.locator(".detail").isVisible());
  await press("Escape");
  assert.ok(await page.locator(".detail").isHidden());
  assert.equal(await focused(), "Faults");
  await press("Enter", "Escape", "ArrowDown");
  assert.equal(await selected(), "2");

  await press("/");
  assert.equal(await focused(), "filter-text");
  await page.keyboard.type("wp_page_copy");
  await until(async () => (await shown(page)) < kFaults, "the text filter");
  await page.fill("#filter-text", "");

  // The timeline.
  await page.locator('.list[aria-label="Faults"]').focus();
  await press("1");
  assert.equal(await focused(), "tab-overview");
  const whole = await page.textContent("#window");
  await page.locator("#timeline").focus();
  await press("+", "+");
  await until(async () => (await page.textContent("#window")) !== whole, "a zoom by key");
  const part = await page.textContent("#window");
  await press("ArrowRight");
  await until(async () => (await page.textContent("#window")) !== part, "a move by key");
  await press("0");
  await until(async () => (await page.textContent("#window")) === whole, "all of it again");

  // The map: to a cell, into it down to a page, to its faults.
  await page.locator("#tab-overview").focus();
  await press("3");
  await page.locator("#map").focus();
  await press("Home", "ArrowDown");
  assert.match(await page.textContent("#cell"), /^0x/);
  for (let n = 0; n < 14 && (await page.textContent("#map-scale")) !== "4 KiB a cell"; ++n) await press("Enter");
  assert.equal(await page.textContent("#map-scale"), "4 KiB a cell");
  const cell = await page.textContent("#cell");
  await press("ArrowRight");
  assert.notEqual(await page.textContent("#cell"), cell);
  for (let n = 0; n < 3000 && !/[1-9]\d* faults?$/.test(await page.textContent("#cell")); ++n) await press("ArrowRight");
  await press("f");
  assert.ok(await page.locator("#faults-panel").isVisible());
  assert.ok((await shown(page)) < kFaults);
});
