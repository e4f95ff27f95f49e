// What the tests of the report page share: pages to look at and a browser to do it.
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { CHROMIUM, PACKAGES, MAKE_PAGE, ARTIFACTS } = process.env;
const { chromium } = createRequire(join(PACKAGES, "package.json"))("playwright-core");

const kArguments = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

export const artifact = (name) => join(ARTIFACTS, name);

// The page of a made-up recording of so many faults.
export function made_up(folder, faults, ...names) {
  const file = join(folder, `${faults}.html`);
  execFileSync(MAKE_PAGE, [String(faults), file, ...names], { stdio: "inherit" });
  return file;
}

// Runs `test` with a folder of its own and a function that opens a page; complains about whatever
// the page had to complain about, and about every request it made.
export async function in_browser(test) {
  const folder = mkdtempSync(join(tmpdir(), "faultline-web-"));
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: kArguments });
  const complaints = [];
  const open = async (file, { scheme = "light", ...options } = {}) => {
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, colorScheme: scheme, ...options });
    page.setDefaultTimeout(60000);
    page.on("console", (message) => complaints.push(`console ${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
    page.on("request", (request) => {
      if (!/^(file|data):/.test(request.url())) complaints.push(`request: ${request.url()}`);
    });
    await page.goto(pathToFileURL(file).href);
    await page.waitForSelector("html[data-ready]", { state: "attached" });
    return page;
  };
  try {
    await test({ folder, open, complaints });
    if (complaints.length > 0) throw new Error(`the page complains:\n${complaints.join("\n")}`);
  } finally {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

// How many faults the list says it shows.
export async function shown(page) {
  return Number((await page.textContent("#fault-count")).replace(/,/g, "").match(/^\d+/)[0]);
}
export async function until(condition, what, timeout = 30000) {
  for (const end = Date.now() + timeout; Date.now() < end;) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  throw new Error(`in vain: ${what}`);
}
