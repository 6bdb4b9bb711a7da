// Pages in light, in dark and on a phone: what is wrong with them, and pictures of them in `shots/`.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { watched } from "./world.js";

const AXE = await readFile(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const LOOKS = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 900 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 900 } },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 }, isMobile: true },
};

// What is wrong with these pages, by their names; a page is a path, or a path with its status.
export async function faultsOf(world, browser, pages, { signedIn = true } = {}) {
  const faults = [];
  await mkdir(new URL("./shots", import.meta.url), { recursive: true });
  await Promise.all(Object.entries(LOOKS).map(async ([look, options]) => {
    const context = await browser.newContext({ ...options, bypassCSP: false });
    if (signedIn) await world.signIn(context);
    for (const [name, at] of Object.entries(pages)) {
      const [path, status = 200] = [at].flat();
      const page = await watched(context, world);
      const answer = await page.goto(world.url + path);
      assert.equal(answer.status(), status, path);
      await page.screenshot({ path: new URL(`./shots/${name}-${look}.png`, import.meta.url).pathname, fullPage: true });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) faults.push(`${path} in ${look} is ${wide} too wide`);
      // A browser logs the status of a page that is an error.
      const heard = page.faults.filter((fault) => status === 200 || !fault.includes(`status of ${status}`));
      faults.push(...heard.map((fault) => `${path} in ${look}: ${fault}`));
      const found = await page.evaluate(AXE + "; axe.run({ resultTypes: ['violations'] }).then((found) => found.violations)");
      const bad = found.filter((one) => ["serious", "critical"].includes(one.impact));
      faults.push(...bad.map((one) => `${path} in ${look}: ${one.id}: ` + one.nodes.map((node) => node.html).slice(0, 3).join(" ")));
      await page.close();
    }
    await context.close();
  }));
  return faults;
}
