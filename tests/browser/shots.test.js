// Pages of runs in light, dark and on a phone: nothing is wrong with them for axe, and pictures of them are in `shots/`.
import test from "node:test";
import assert from "node:assert/strict";
import { World, browse } from "./world.js";
import { faultsOf } from "./looks.js";
import { passing, failing, manual } from "./pipelines.js";

const PAGES = {
  front: "/", queue: "/queue", runs: "/foo/runs", run: "/foo/run/4", job: "/foo/run/4/job/test", search: "/foo/run/4/search?q=left", ci: "/foo/ci", admin: "/-/admin",
  start: "/work/bar/run", signin: "/login", missing: ["/nothing/here", 404],
};

test("pages of runs are well in light, in dark and on a phone", async () => {
  const world = await World.start();
  const browser = await browse();
  try {
    await world.repo("foo", passing);
    await world.push("foo");
    for (const subject of ["Read what was written", "Keep the order of facts"]) {
      await world.commit("foo", passing, subject);
      await world.push("foo");
    }
    await world.commit("foo", failing, "Teach the store to replay twice");
    await world.push("foo");
    await world.repo("work/bar", passing + manual);
    await world.push("work/bar");
    assert.deepEqual(await faultsOf(world, browser, PAGES), []);
  } finally {
    await browser.close();
    await world.end();
  }
});
