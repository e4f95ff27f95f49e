// Makes the report page without data: node build.mjs OUT. Scripts and styles are in the page, and
// its policy allows these two by their hashes, no other script, style or connection at all.
import { createHash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];
if (!out) {
  console.error("usage: node build.mjs OUT");
  process.exit(2);
}
// The packages are in the build tree, where this was started, and not beside the sources.
const packages = join(process.cwd(), "node_modules");
const { build } = createRequire(join(packages, "package.json"))("esbuild");

const result = await build({
  entryPoints: [join(here, "src/main.ts")],
  nodePaths: [packages],
  bundle: true,
  minify: true,
  charset: "utf8",
  legalComments: "none",
  format: "esm",
  target: ["chrome103", "firefox113", "safari16.4"], // the first with DecompressionStream("deflate-raw")
  write: false,
  outdir: "out",
  logLevel: "warning",
});
const text = (extension) => {
  const { text } = result.outputFiles.find(({ path }) => path.endsWith(extension));
  // What ends the element early would end the page.
  if (/<\/(script|style)|<!--/i.test(text)) throw new Error(`${extension} cannot stand in a page`);
  return text;
};
const licence = readFileSync(join(packages, "uplot/LICENSE"), "utf8").trim();
const script = `/*! uPlot\n${licence.replace(/\*\//g, "")}\n*/\n${text(".js")}`;
const style = text(".css");
const hash = (content) => `'sha256-${createHash("sha256").update(content, "utf8").digest("base64")}'`;
const policy = [
  "default-src 'none'", `script-src ${hash(script)}`, `style-src ${hash(style)}`, "img-src data:",
  "base-uri 'none'", "form-action 'none'",
].join("; ");
const parts = { "@POLICY@": policy, "@STYLE@": style, "@SCRIPT@": script };
const page = readFileSync(join(here, "page.html"), "utf8").replace(/@(POLICY|STYLE|SCRIPT)@/g, (name) => parts[name]);
if (page.split("@FAULTLINE_DATA@").length !== 2) throw new Error("the page has no single place for its data");
writeFileSync(`${out}.new`, page);
renameSync(`${out}.new`, out);
