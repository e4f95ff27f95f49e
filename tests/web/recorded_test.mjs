// The page of a recorded run says what `faultline inspect` says of it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { artifact, in_browser, shown, until } from "./browser.mjs";

const faultline = (...words) => execFileSync(process.env.FAULTLINE, words, { encoding: "utf8", maxBuffer: 1 << 28 });

await in_browser(async ({ folder, open }) => {
  const [sample, recording, file] = ["sample", "run.flr", "run.html"].map((name) => join(folder, name));
  writeFileSync(sample, "0123456789abcdef".repeat(20000));
  faultline("run", "--backend", "hosted", "--record", recording, "/bin/busybox", "sha256sum", sample);
  faultline("inspect", "--html", file, recording);
  const faults = faultline("inspect", "--faults", "--top", "0", "--json", recording).trim().split("\n").map((line) => JSON.parse(line));

  const page = await open(file);
  await page.screenshot({ path: artifact("recorded-overview.png") });
  await page.click("#tab-faults");
  assert.equal(await shown(page), faults.length);
  await page.selectOption("#filter-path", "kind:2");
  await until(async () => (await shown(page)) < faults.length, "the filter");
  await page.locator('.list[aria-label="Faults"]').focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.screenshot({ path: artifact("recorded-fault.png") });

  // The fault that is open, by its number, in full.
  const number = (await page.textContent(".detail h2")).replace(/\D/g, "");
  const text = faultline("inspect", "--fault", number, recording);
  const blame = /denied by (\S+ \S+)/.exec(text)[1];
  assert.equal(await page.textContent("#blame"), `denied by ${blame}`);
  assert.ok(text.includes((await page.locator(".path li").allTextContents()).join(" > ")));
  for (const address of await page.locator(".walk tbody td:nth-child(2)").allTextContents()) assert.ok(address === "no table" || text.includes(address), address);
  assert.ok(text.includes(await page.locator(".detail code").first().textContent()));

  await page.click("text=On the map");
  assert.match(await page.textContent("#cell"), /4 KiB · rw-p .* · writable · [1-9]\d* faults?$/);
  await page.click("#map-fit");
  await page.screenshot({ path: artifact("recorded-map.png") });
});
