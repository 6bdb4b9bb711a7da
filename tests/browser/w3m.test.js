// The pages in a browser for terminals, without anything.
import test from "node:test";
import assert from "node:assert/strict";
import { World } from "./world.js";
import { failing } from "./pipelines.js";

test("a page is to be read in w3m", async () => {
  const world = await World.start();
  try {
    await world.repo("foo", failing);
    await world.push("foo");
    const read = (path) => world.sh(`w3m -dump -cols 110 ${world.url}${path}`);
    const run = await read("/foo/run/1");
    for (const part of ["✗ failed #1 Begin", "Why it failed", "panicked at src/store.rs:212:9", "left == right failed", "quire rerun 'foo#1' --failed", "needs test, which failed"]) {
      assert.ok(run.includes(part), part + "\n" + run);
    }
    const job = await read("/foo/run/1/job/test");
    assert.match(job, /41\. +thread 'store::replay' panicked/);
    assert.match(job, /1\. +(cargo|test case 1)/);
    const front = await read("/");
    assert.ok(front.includes("✗ failed") && front.includes("foo"), front);
    assert.match(await read("/foo/runs"), /✗ +#1/);
  } finally {
    await world.end();
  }
});
