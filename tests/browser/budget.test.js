// What pages cost: bytes, requests, time.
import test from "node:test";
import assert from "node:assert/strict";
import { appendFile, readFile } from "node:fs/promises";
import { World, browse, watched } from "./world.js";
import { gated, lines, passing } from "./pipelines.js";
import { sample } from "./sample.js";

// Budgets are those of an optimised program.
const SLOW = process.env.QUIRE.includes("/debug/") ? 4 : 1;

let world, browser;
test.before(async () => {
  world = await World.start();
  browser = await browse();
  await world.repo("foo", passing);
  await world.push("foo");
  await world.repo("short", lines(2000));
  await world.push("short");
  await world.repo("long", lines(100000));
  await world.push("long");
  await sample(world, "store");
});
test.after(async () => {
  await browser?.close();
  await world?.end();
});

// What a page that nobody has seen costs.
async function cold(path) {
  const context = await browser.newContext();
  const page = await watched(context, world);
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  let bytes = 0, html = 0;
  const kinds = new Map();
  session.on("Network.responseReceived", (event) => kinds.set(event.requestId, event.type));
  session.on("Network.loadingFinished", (event) => {
    bytes += event.encodedDataLength;
    if (kinds.get(event.requestId) === "Document") html += event.encodedDataLength;
  });
  const begun = Date.now();
  await page.goto(world.url + path, { waitUntil: "load" });
  const load = Date.now() - begun;
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
  const found = { bytes, html, load, paint, requests: page.requests };
  console.log(path, JSON.stringify(found));
  assert.deepEqual(page.faults, []);
  return { ...found, page, context };
}

test("a page costs at most four requests and few kilobytes", async () => {
  const run = await cold("/foo/run/1");
  assert.ok(run.html <= 12 << 10 && run.requests <= 4, JSON.stringify(run.html));
  await run.context.close();
  const job = await cold("/short/run/1/job/long");
  assert.ok(job.bytes <= 40 << 10 && job.html <= 20 << 10 && job.requests <= 4);
  await job.context.close();
});

test("a log of 100,000 lines is there from its first line on", async () => {
  const { context, page, html, load, paint } = await cold("/long/run/1/job/long");
  assert.ok(html <= 1 << 20, `${html} bytes`);
  assert.ok(paint <= 500 * SLOW, `painted after ${paint} ms`);
  assert.ok(load <= 2000 * SLOW, `loaded after ${load} ms`);
  assert.equal(await page.locator("ol.log > li").count(), 100000);
  const begun = Date.now();
  await page.evaluate(() => { location.hash = "#L90000"; });
  await page.waitForFunction(() => { const at = document.getElementById("L90000").getBoundingClientRect(); return at.top >= 0 && at.bottom <= innerHeight; });
  console.log("#L90000 after ms:", Date.now() - begun);
  await context.close();
});

// How long the first byte of each kind of page may take, in milliseconds.
const FIRST_BYTE = {
  "/": 30, "/foo/runs": 30, "/foo/run/1": 30, "/short/run/1/job/long": 30,
  "/store": 50, "/store/tree/main": 50, "/store/log/main": 30, "/store/blob/main/src/store.rs": 30, "/store/refs": 30, "/store/blame/main/src/store.rs": 100,
};

test("the first byte of a page comes at once", async () => {
  for (const [path, most] of Object.entries(FIRST_BYTE)) {
    await (await fetch(world.url + path, { headers: { accept: "text/html" } })).text();
    const times = [];
    for (let n = 0; n < 40; n++) {
      const begun = performance.now();
      const answer = await fetch(world.url + path, { headers: { accept: "text/html" } });
      times.push(performance.now() - begun);
      await answer.text();
    }
    times.sort((one, other) => one - other);
    console.log(path, "median", times[20].toFixed(1), "p95", times[37].toFixed(1));
    assert.ok(times[37] <= most * SLOW, `${path}: ${times[37]} ms`);
  }
});

test("fifty followers of a live log cost the server little memory", async () => {
  const COUNT = 20000;
  await world.repo("crowd", gated(world.path, "crowd"));
  await world.push("crowd", { wait: false });
  await world.until(async () => (await fetch(`${world.url}/crowd/run/1/job/live.log`).then((answer) => answer.text())).includes("begin"));
  const followers = Array.from({ length: 50 }, async () => {
    const answer = await fetch(`${world.url}/crowd/run/1/events?job=live&after=0`, { headers: { accept: "text/event-stream" } });
    let text = "";
    for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
      text = (text + part).slice(-200);
      if (text.includes("the last line")) return true;
    }
    return false;
  });
  await appendFile(`${world.path}/say-crowd`, Array.from({ length: COUNT }, (_, n) => `a line of a log that fifty people read, number ${n}`).join("\n") + "\nthe last line\n");
  const memory = async (name) => +(await readFile(`/proc/${world.server.pid}/status`, "utf8")).match(new RegExp(`${name}:\\s+(\\d+)`))[1] / 1024;
  let most = 0;
  const looking = setInterval(async () => { most = Math.max(most, await memory("VmRSS").catch(() => 0)); }, 20);
  assert.deepEqual(await Promise.all(followers), Array(50).fill(true));
  clearInterval(looking);
  const own = await memory("RssAnon");
  console.log("memory with 50 followers, MB:", most.toFixed(1), "of it own at the end:", own.toFixed(1));
  // An unoptimised program is large itself.
  assert.ok(SLOW > 1 ? own <= 60 : most <= 60, `${most} MB, ${own} MB of it own`);
  await appendFile(`${world.path}/go-crowd`, "");
});
