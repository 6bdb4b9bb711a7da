// Eight pages in light, dark and on a phone: nothing is wrong with them for axe, and pictures of them are in `shots/`.
import test from "node:test";
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { World, browse, watched } from "./world.js";
import { passing, failing } from "./pipelines.js";

const AXE = await readFile(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const LOOKS = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 900 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 900 } },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 }, isMobile: true },
};
const PAGES = {
  front: "/", queue: "/queue", runs: "/foo/runs", run: "/foo/run/4", job: "/foo/run/4/job/test", search: "/foo/run/4/search?q=left", ci: "/foo/ci", admin: "/-/admin",
};

test("eight pages are well in light, in dark and on a phone", async () => {
  const world = await World.start();
  const browser = await browse();
  const faults = [];
  try {
    await world.repo("foo", passing);
    await world.push("foo");
    for (const subject of ["Read what was written", "Keep the order of facts"]) {
      await world.commit("foo", passing, subject);
      await world.push("foo");
    }
    await world.commit("foo", failing, "Teach the store to replay twice");
    await world.push("foo");
    await world.repo("work/bar", passing);
    await world.push("work/bar");
    await mkdir(new URL("./shots", import.meta.url), { recursive: true });
    await Promise.all(Object.entries(LOOKS).map(async ([look, options]) => {
      const context = await browser.newContext({ ...options, bypassCSP: false });
      await world.signIn(context);
      for (const [name, path] of Object.entries(PAGES)) {
        const page = await watched(context, world);
        const answer = await page.goto(world.url + path);
        assert.equal(answer.status(), 200, path);
        await page.screenshot({ path: new URL(`./shots/${name}-${look}.png`, import.meta.url).pathname, fullPage: true });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (wide > 0) faults.push(`${path} in ${look} is ${wide} too wide`);
        faults.push(...page.faults.map((fault) => `${path} in ${look}: ${fault}`));
        const found = await page.evaluate(AXE + "; axe.run({ resultTypes: ['violations'] }).then((found) => found.violations)");
        const bad = found.filter((one) => ["serious", "critical"].includes(one.impact));
        faults.push(...bad.map((one) => `${path} in ${look}: ${one.id}: ` + one.nodes.map((node) => node.html).slice(0, 3).join(" ")));
        await page.close();
      }
      await context.close();
    }));
    assert.deepEqual(faults, []);
  } finally {
    await browser.close();
    await world.end();
  }
});
