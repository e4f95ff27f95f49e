// Names that a hostile guest chose stay text; and were one of them to become markup, the page's
// policy would let it do nothing.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { in_browser, made_up } from "./browser.mjs";

const program = "/tmp/</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>";
const file = "\"'><svg onload=window.hacked=1>\u2028@FAULTLINE_DATA@<!--";

await in_browser(async ({ folder, open, complaints }) => {
  const path = made_up(folder, 200, program, file);
  const source = readFileSync(path, "utf8");
  assert.ok(!source.includes("hacked"), "a name is in the page as it is");

  const page = await open(path);
  assert.equal(await page.textContent("#command"), `${program} --rows all`);
  await page.click("#tab-faults");
  assert.ok((await page.locator("#filter-vma option").allTextContents()).some((text) => text.startsWith(file)));
  for (let n = 0; n < 12; ++n) await page.click(`.list[aria-label="Faults"] .row >> nth=${n}`);
  await page.click("#tab-map");
  await page.click('.list[aria-label="VMAs"] .row >> nth=3');
  const found = await page.evaluate(() => ({ hacked: window.hacked, markup: document.querySelectorAll("img, svg, iframe, object").length, scripts: document.scripts.length }));
  assert.deepEqual(found, { hacked: undefined, markup: 0, scripts: 1 });
  assert.deepEqual(complaints, []);

  // The policy on its own.
  const refused = await page.evaluate(async () => {
    const directives = [];
    document.addEventListener("securitypolicyviolation", (event) => directives.push(event.effectiveDirective));
    const script = document.createElement("script");
    script.textContent = "window.hacked = 2";
    document.body.append(script);
    const holder = document.createElement("div");
    holder.innerHTML = '<img src="data:,x" onerror="window.hacked = 3"><iframe src="https://example.org/"></iframe><p style="color: red">';
    document.body.append(holder);
    await fetch("https://example.org/").catch(() => {});
    try { new WebSocket("wss://example.org/"); } catch { /* refused at once */ }
    await new Promise((resolve) => setTimeout(resolve, 300));
    return { hacked: window.hacked, directives: [...new Set(directives)].sort() };
  });
  assert.equal(refused.hacked, undefined);
  for (const directive of ["connect-src", "frame-src", "script-src-attr", "script-src-elem", "style-src-attr"]) assert.ok(refused.directives.includes(directive), `${directive} in ${refused.directives}`);
  complaints.length = 0;  // of what this test did itself
});
