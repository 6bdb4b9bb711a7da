// Pages that follow a run: with JavaScript and without, in one tab and in twelve.
import test from "node:test";
import assert from "node:assert/strict";
import { appendFile } from "node:fs/promises";
import { World, browse, watched } from "./world.js";
import { gated, passing } from "./pipelines.js";

let world, browser;
test.before(async () => {
  world = await World.start();
  browser = await browse();
});
test.after(async () => {
  await browser?.close();
  await world?.end();
});

// Begins a run of `live`, whose output is what is said.
async function begin(name) {
  await world.repo(name, gated(world.path, name));
  await world.push(name, { wait: false });
  const say = (text) => appendFile(`${world.path}/say-${name}`, text + "\n");
  const go = () => appendFile(`${world.path}/go-${name}`, "");
  await world.until(async () => (await fetch(`${world.url}/${name}/run/1/job/live.log`).then((answer) => answer.text())).includes("begin"));
  return { say, go, job: `${world.url}/${name}/run/1/job/live`, run: `${world.url}/${name}/run/1` };
}
const shows = (page, text) => page.waitForFunction((text) => document.body.innerText.includes(text), text, { polling: 10, timeout: 15000 });

test("a line is on the page within a quarter of a second, and the page ends with its job", async () => {
  const run = await begin("one");
  const context = await browser.newContext();
  const page = await watched(context, world);
  await page.goto(run.job);
  await page.waitForFunction(() => document.documentElement.dataset.live === "live");
  await shows(page, "begin");
  const delays = [];
  for (let n = 0; n < 10; n++) {
    const text = `said ${n}`;
    const at = Date.now();
    await run.say(text);
    await shows(page, text);
    delays.push(Date.now() - at);
  }
  delays.sort((one, other) => one - other);
  console.log("a line is shown after, in ms:", delays.join(" "));
  // `tail -f` is told by the kernel; half of them have to be in time however busy the machine is.
  assert.ok(delays[5] <= 250, `too late: ${delays}`);
  assert.equal(await page.locator("li#L2").count(), 1);
  const overview = await watched(context, world);
  await overview.goto(run.run);
  assert.match(await overview.title(), /^● /);
  const front = await watched(context, world);
  await front.goto(world.url + "/");
  assert.equal(await front.locator("li[data-repo=one] .mark").textContent(), "● running");
  await run.go();
  await shows(page, "passed live");
  await shows(page, "end");
  await overview.waitForFunction(() => document.title.startsWith("✓"), undefined, { timeout: 15000 });
  assert.match(await overview.getAttribute("#icon", "href"), /passed/);
  await front.waitForFunction(() => document.querySelector("li[data-repo=one] .mark")?.textContent === "✓ passed", undefined, { timeout: 15000 });
  assert.deepEqual([...page.faults, ...overview.faults, ...front.faults], []);
  const ids = await page.locator("ol.log > li").evaluateAll((all) => all.map((li) => li.id));
  assert.deepEqual(ids, ids.map((_, at) => `L${at + 1}`), "each line once, in order");
  await context.close();
});

test("twelve tabs of live pages are all live", async () => {
  const run = await begin("many");
  const context = await browser.newContext();
  const pages = [];
  for (let n = 0; n < 12; n++) {
    const page = await watched(context, world);
    await page.goto(run.job, { timeout: 5000 });
    pages.push(page);
  }
  await Promise.all(pages.map((page) => page.waitForFunction(() => document.documentElement.dataset.live)));
  const ways = await Promise.all(pages.map((page) => page.evaluate(() => document.documentElement.dataset.live)));
  console.log("tabs:", ways.join(" "));
  assert.equal(ways.filter((way) => way === "live").length, 4);
  await run.say("for all of them");
  await Promise.all(pages.map((page) => shows(page, "for all of them")));
  await run.go();
  await Promise.all(pages.map((page) => shows(page, "passed live")));
  for (const page of pages) assert.deepEqual(page.faults, []);
  await context.close();
});

test("without JavaScript everything is there, a page that grows and the buttons, too", async () => {
  const run = await begin("plain");
  const context = await browser.newContext({ javaScriptEnabled: false });
  await world.signIn(context);
  const page = await context.newPage();
  await page.goto(run.job + "?stream=1", { waitUntil: "commit" });
  await page.locator("li", { hasText: "begin" }).waitFor();
  await run.say("without a script");
  await page.locator("li", { hasText: "without a script" }).waitFor();
  const other = await context.newPage();
  await other.goto(run.job);
  assert.equal(await other.locator("noscript").count() > 0, true);
  assert.match(await other.content(), /http-equiv="refresh"/);
  await other.goto(run.run);
  await other.getByRole("button", { name: "Cancel run" }).click();
  await world.sh("quire wait 'plain#1' >/dev/null || true");
  await other.goto(run.run);
  await other.getByText("cancelled").first().waitFor();
  await other.getByRole("button", { name: "Re-run all" }).click();
  await other.waitForURL(/\/plain\/run\/2$/);
  await run.go();
  await page.locator("footer").waitFor();
  await context.close();
});

test("keys lead to jobs, failures, times and the search", async () => {
  await world.repo("keys", passing.replace("echo docs", "exit 7"));
  await world.push("keys");
  const context = await browser.newContext();
  const page = await watched(context, world);
  await page.goto(world.url + "/keys/run/1");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  assert.equal(await page.evaluate(() => document.activeElement.closest("tr").dataset.job), "fmt");
  await page.keyboard.press("n");
  assert.equal(await page.evaluate(() => document.querySelector(".at").dataset.job), "docs");
  await page.keyboard.press("?");
  assert.ok(await page.locator("dialog[open]").isVisible());
  await page.keyboard.press("Escape");
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.name), "q");
  await page.keyboard.type("jn");
  assert.equal(await page.inputValue("#q"), "jn");
  await page.goto(world.url + "/keys/run/1/job/docs");
  await page.keyboard.press("t");
  await page.waitForURL(/ts=1/);
  await page.goto(world.url + "/keys/run/1/job/test#L5-L7");
  assert.equal(await page.locator("li.on").count(), 3);
  assert.deepEqual(page.faults, []);
  await context.close();
});
