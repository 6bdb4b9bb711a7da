// What pages cost: bytes, requests, time.
import test from "node:test";
import assert from "node:assert/strict";
import { World, browse, watched } from "./world.js";
import { lines, passing } from "./pipelines.js";

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

test("the first byte of a page comes at once", async () => {
  for (const path of ["/", "/foo/runs", "/foo/run/1", "/short/run/1/job/long"]) {
    const times = [];
    for (let n = 0; n < 40; n++) {
      const begun = performance.now();
      const answer = await fetch(world.url + path, { headers: { accept: "text/html" } });
      times.push(performance.now() - begun);
      await answer.text();
    }
    times.sort((one, other) => one - other);
    console.log(path, "median", times[20].toFixed(1), "p95", times[37].toFixed(1));
    assert.ok(times[37] <= 30 * SLOW, `${path}: ${times[37]} ms`);
  }
});
