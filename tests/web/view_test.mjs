// The report as somebody uses it with a mouse: filter to copies on write, open one, read its walk,
// zoom the timeline and the map. Screenshots of every view, light and dark.
import assert from "node:assert/strict";
import { artifact, in_browser, made_up, shown, until } from "./browser.mjs";

const kFaults = 3000;

async function read_walk(page) {
  await page.click("#tab-faults");
  assert.equal(await shown(page), kFaults);
  await page.selectOption("#filter-path", "kind:2");
  await until(async () => (await shown(page)) < kFaults, "the filter");
  const copies = await shown(page);
  assert.ok(copies > 100);
  await page.fill("#filter-text", "wp_page_copy");
  await until(async () => (await shown(page)) < copies, "the text filter");

  await page.click('.list[aria-label="Faults"] .row >> nth=2');
  const detail = page.locator(".detail");
  assert.match(await detail.locator("h2").textContent(), /^Fault \d/);
  assert.equal(await detail.locator(".path .decided").textContent(), "wp_page_copy");
  assert.match(await detail.locator("dl").textContent(), /user write, protection violation.*error 0x7 \[P W U\]/);
  assert.equal(await page.textContent("#blame"), "denied by PTE W");
  const levels = await detail.locator(".walk tbody th").evaluateAll((heads) => heads.map((head) => head.firstChild.textContent));
  assert.deepEqual(levels, ["PGD", "PUD", "PMD", "PTE"]);
  const [before, after] = [detail.locator(".walk tr.blamed td:nth-child(3)"), detail.locator(".walk tr.blamed td:nth-child(5)")];
  assert.equal(await before.locator(".bit.blame").textContent(), "W");
  assert.ok(await before.locator(".bit.blame.clear").isVisible());
  assert.ok((await after.locator(".bit.set.changed").allTextContents()).includes("W"));
  // The frame is another one afterwards, and the copy says from which to which.
  const frame = async (cell) => (await cell.locator(".target").textContent()).match(/frame (0x[0-9a-f]+)/)[1];
  const [old, fresh] = [await frame(before), await frame(after)];
  assert.notEqual(old, fresh);
  assert.match(await detail.textContent(), new RegExp(`${old} copied to ${fresh}`));
}

async function narrow(page) {
  await page.click("#filter-clear");
  await until(async () => (await shown(page)) === kFaults, "all faults");
  await page.fill("#filter-range", "0x7f0000000000..0x7f0000100000");
  await until(async () => (await shown(page)) < kFaults, "the range filter");
  for (const text of await page.locator('.list[aria-label="Faults"] .row:not([hidden]) .a').allTextContents()) assert.match(text, /^0x7f00000[0-9a-f]{5}$/);
  await page.fill("#filter-range", "nonsense");
  await until(async () => (await page.getAttribute("#filter-range", "aria-invalid")) === "true", "the complaint about a bad range");
  await page.click("#filter-clear");
  await page.selectOption("#filter-outcome", "signal");
  await until(async () => (await shown(page)) === 1, "the fault that ended it");
  await page.selectOption("#filter-outcome", "");
  await page.selectOption("#filter-vma", "[stack]");
  await until(async () => (await shown(page)) < kFaults && (await shown(page)) > 1, "the VMA filter");
  await page.click("#filter-clear");
}

async function zoom_time(page) {
  await page.click("#tab-overview");
  const whole = await page.textContent("#window");
  assert.match(whole, /^all /);
  const box = await page.locator("#timeline .u-over").boundingBox();
  await page.mouse.move(box.x + box.width * 0.3, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 60, { steps: 4 });
  await page.mouse.up();
  await until(async () => (await page.textContent("#window")) !== whole, "the drag");
  const dragged = await page.textContent("#window");
  await page.click('[aria-label="Zoom in"] >> nth=0');
  await until(async () => (await page.textContent("#window")) !== dragged, "the button");
  const part = await shown(page);
  assert.ok(part > 0 && part < kFaults / 4, `${part} faults in a tenth of the time`);
  await page.locator("#timeline .u-over").dblclick({ position: { x: 20, y: 20 } });
  await until(async () => (await page.textContent("#window")) === whole, "the double click");
  assert.equal(await shown(page), kFaults);
  for (const choice of ["faults", "calls", "exits"]) {
    await page.selectOption("#histogram-of", choice);
    await page.waitForSelector("#histogram canvas");
  }
}

async function zoom_map(page) {
  await page.click("#tab-map");
  const scale = () => page.textContent("#map-scale");
  const fitted = await scale();
  await page.click("#map-whole");
  assert.match(await scale(), /GiB a cell/);
  for (let n = 0; n < 40 && (await scale()) !== "4 KiB a cell"; ++n) await page.click("#map-in");
  assert.equal(await scale(), "4 KiB a cell");
  await page.click("#map-fit");
  assert.equal(await scale(), fitted);
  await page.click('.list[aria-label="VMAs"] .row >> nth=5');
  assert.match(await page.textContent("#cell"), /^0x7ffffff00000 \+ 4 KiB · rw-p \[stack\] · writable · \d+ faults?$/);
  await page.click("#cell-faults");
  await until(async () => (await shown(page)) < kFaults, "the faults of one page");
  for (const text of await page.locator('.list[aria-label="Faults"] .row:not([hidden]) .a').allTextContents()) assert.match(text, /^0x7ffffff00[0-9a-f]{3}$/);
  // Before the first fault no page is mapped.
  await page.click("#tab-map");
  await page.locator("#map-time").fill("0");
  await until(async () => /before the first fault/.test(await page.textContent("#map-moment")), "the moment");
  assert.match(await page.textContent("#cell"), /· not mapped · 0 faults$/);
}

async function pictures(open, file, scheme) {
  const page = await open(file, { scheme });
  await page.waitForSelector("#timeline canvas");
  await page.screenshot({ path: artifact(`overview-${scheme}.png`) });
  await page.click("#tab-faults");
  await page.selectOption("#filter-path", "step:wp_page_copy");
  await until(async () => (await shown(page)) < kFaults, "the filter");
  await page.click('.list[aria-label="Faults"] .row >> nth=3');
  await page.screenshot({ path: artifact(`fault-${scheme}.png`) });
  await page.click("#tab-map");
  await page.waitForTimeout(200);
  await page.screenshot({ path: artifact(`map-${scheme}.png`) });
  // The switch turns the colours round, for canvases too.
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const was = await background();
  await page.click("#theme");
  assert.notEqual(await background(), was);
  await page.close();
}

await in_browser(async ({ folder, open }) => {
  const file = made_up(folder, kFaults);
  const page = await open(file);
  await read_walk(page);
  await narrow(page);
  await zoom_time(page);
  await zoom_map(page);
  await page.close();
  for (const scheme of ["light", "dark"]) await pictures(open, file, scheme);
});
