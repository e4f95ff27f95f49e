// Opens what `faultline inspect` exports in speedscope, a viewer that others wrote, and checks what
// it made of it: CHROMIUM=/path node read_exports.mjs TRACE FOLDED SCREENSHOT_FOLDER
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'

const [traceFile, foldedFile, screenshots] = process.argv.slice(2)
const viewer = fileURLToPath(import.meta.resolve('speedscope/dist/release/index.html'))

let failures = 0
function check(what, good, got) {
  console.log(`${good ? 'ok  ' : 'FAIL'} ${what}${good ? '' : `: ${JSON.stringify(got)}`}`)
  if (!good) ++failures
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] })
try {
  // The text of the page once the file is loaded, in the view that is a table.
  async function open(file) {
    const page = await browser.newPage()
    const problems = []
    page.on('pageerror', (error) => problems.push(String(error)))
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()))
    page.on('dialog', (dialog) => {
      problems.push(dialog.message())
      dialog.accept()
    })
    await page.goto(pathToFileURL(viewer).href)
    await page.setInputFiles('input[type=file]', file)
    await page.getByText('Sandwich').click()
    await page.locator('tr:visible').nth(1).waitFor()
    return { page, problems }
  }
  const table = (page) => page.locator('tr:visible').allInnerTexts()
  // Of the columns total, self and name; arguments follow the name.
  const row = (rows, name) => rows.find((text) => [name, `${name} {`].some((n) => text.split('\t').at(-1).trim().startsWith(n)))

  {
    const { page, problems } = await open(foldedFile)
    const rows = await table(page)
    for (const name of ['do_anonymous_page', 'wp_page_copy', 'bad_area', 'process 100', 'sh'])
      check(`folded stacks have ${name}`, row(rows, name) !== undefined, rows)
    // Four faults of 500 ns each; two of them in process 100.
    check('half of the weight is in process 100', /\(50(\.0*)?%\)/.test(row(rows, 'process 100') ?? ''), rows)
    check('folded stacks: nothing to complain about', problems.length === 0, problems)
    await page.screenshot({ path: path.join(screenshots, 'viewer-folded.png') })
  }
  {
    const { page, problems } = await open(traceFile)
    // One profile for each track; "n" goes on to the next one.
    const titles = []
    const all = []
    for (let n = 0; n < 5; ++n) {
      titles.push(await page.getByText(/\(tid \d+\)/).first().innerText())
      all.push(...(await table(page)))
      await page.keyboard.press('n')
      await page.waitForTimeout(200)
    }
    for (const title of ['sh (pid 100), guest', 'sh (pid 100), host', 'sleep;er x (pid 101), guest', 'machine'])
      check(`there is a track ${title}`, titles.some((t) => t.includes(title)), titles)
    for (const name of ['guest', 'do_anonymous_page', 'wp_page_copy', 'read', 'decide', 'edit', 'resume'])
      check(`the trace has ${name}`, row(all, name) !== undefined, all)
    const fault = row(all, 'do_anonymous_page') ?? ''
    // 960 ns with the way out of the guest and back; all of it in the four parts.
    check('a fault takes what was recorded', fault.includes('960.00ns'), fault)
    check('the trace: nothing to complain about', problems.length === 0, problems)
    await page.screenshot({ path: path.join(screenshots, 'viewer-trace.png') })
  }
} finally {
  await browser.close()
}
process.exit(failures === 0 ? 0 : 1)
