// Pages of repositories: how they look, with keys, without JavaScript, and with names that are code.
import test from "node:test";
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { World, browse, watched } from "./world.js";
import { faultsOf } from "./looks.js";
import { sample } from "./sample.js";

let world, browser, head;
test.before(async () => {
  world = await World.start();
  browser = await browse();
  await sample(world, "store");
  head = (await world.sh("git -C store rev-parse main")).trim();
});
test.after(async () => {
  await browser?.close();
  await world?.end();
});

const PAGES = {
  home: "/store", tree: "/store/tree/main", folder: "/store/tree/main/src", blob: "/store/blob/main/src/store.rs", markdown: "/store/blob/main/README.md", binary: "/store/blob/main/data.bin",
  blame: "/store/blame/main/src/store.rs", log: "/store/log/main", history: "/store/log/main/src/store.rs", compare: "/store/compare/main..topic/replay", refs: "/store/refs", find: "/store/search?q=fact",
};

test("pages of a repository are well in light, in dark and on a phone", async () => {
  await world.sh("quire repo new empty");
  const renamed = (await world.sh("git -C store rev-parse main~3^0")).trim();
  const more = { commit: `/store/commit/${renamed}`, empty: "/empty", nofile: ["/store/blob/main/none", 404], nothing: "/store/search?q=zzzz" };
  assert.deepEqual(await faultsOf(world, browser, { ...PAGES, ...more }), []);
});

test("every link of the pages of a repository leads somewhere, without JavaScript", async () => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  const seen = new Set(), waiting = ["/store"];
  let count = 0;
  while (waiting.length && count < 120) {
    const path = waiting.shift();
    const answer = await context.request.get(world.url + path, { headers: { accept: "text/html" }, maxRedirects: 1 });
    assert.equal(answer.status(), 200, path);
    count += 1;
    if (!answer.headers()["content-type"].startsWith("text/html")) continue;
    await page.goto(world.url + path);
    assert.equal(await page.locator("h1").count(), 1, path);
    const links = await page.locator("a[href^='/']").evaluateAll((all) => all.map((one) => one.getAttribute("href").split("#")[0]));
    for (const link of links.filter((link) => /^\/store/.test(link) && !seen.has(link))) {
      seen.add(link);
      waiting.push(link);
    }
  }
  console.log("pages that were followed:", count);
  await context.close();
});

test("lines, branches and files are reached by keys and by their addresses", async () => {
  const context = await browser.newContext();
  const page = await watched(context, world);
  await page.goto(world.url + "/store/blob/main/src/store.rs#L12");
  assert.equal(await page.evaluate(() => document.querySelector(":target").id), "L12");
  await page.keyboard.press("Tab");
  await page.goto(world.url + "/store");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await page.getByRole("link", { name: "src/", exact: true }).focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/store\/tree\/main\/src$/);
  await page.goto(world.url + "/store/search");
  await page.keyboard.press("/");
  await page.keyboard.type("append");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=append/);
  assert.ok(await page.locator("mark").count() > 2);
  assert.deepEqual(page.faults, []);
  await context.close();
});

const NAMES = ["<script>fault()<", "\"><img src=x onerror=fault()>", "'onmouseover='fault()", "javascript:fault()", "&lt;b&gt;", "${fault()}{{7*7}}", "--output=x", "a b%2e%2e#?", "\u202egnp.exe", "\u001b[31mred", "%00", "-rf"];

test("names of files, branches and commits that are code stay text", async () => {
  await writeFile(`${world.path}/names.json`, JSON.stringify(NAMES));
  await world.sh(`quire repo new odd && git init -q -b main odd && cd odd && git remote add origin $QUIRE_DATA/repos/odd.git
    python3 - <<'END'
import json, os, subprocess
for at, name in enumerate(json.load(open("../../names.json"))):
    os.makedirs("d" + name.replace("/", "_"))
    for path in (name.replace("/", "_"), "d" + name.replace("/", "_") + "/" + name.replace("/", "_")):
        open(path, "w").write("a line of " + name + "\\n<script>fault()</script>\\n")
    subprocess.run(["git", "add", "-A"], check=True)
    subprocess.run(["git", "-c", "user.name=" + name.replace("<", "").replace(">", "").replace("\\n", ""), "commit", "-q", "-m", name], check=True)
    branch = "b" + str(at) + "".join(c for c in name if c not in " ~^:?*[\\\\\\x1b" and ord(c) > 31).replace("..", "").strip("/.")
    subprocess.run(["git", "branch", "--", branch], check=True)
open("README.md", "w").write("# <script>fault()</script>\\n\\n[x](javascript:fault()) <img src=x onerror=fault()> ![y](\\"onerror=fault())\\n")
END
    git add -A && git commit -q -m "README" && git push -q -o ci.skip origin --all`);
  const context = await browser.newContext();
  const page = await watched(context, world);
  let called = 0;
  await page.exposeFunction("fault", () => { called += 1; });
  const seen = new Set(["/odd"]), waiting = ["/odd"];
  let count = 0;
  while (waiting.length && count < 200) {
    const path = waiting.shift();
    const answer = await page.goto(world.url + path);
    assert.equal(answer.status(), 200, path);
    count += 1;
    const active = await page.evaluate(() => [...document.querySelectorAll("script:not([src^='/-/']), img:not([src^='/odd/raw/']), iframe, style, base, form[action^='//'], meta[http-equiv], [onerror], [onload], [onmouseover], a[href^='javascript']")].map((one) => one.outerHTML));
    assert.deepEqual(active, [], path);
    assert.equal(await page.locator("body > main").count(), 1, path);
    const links = await page.locator("a[href^='/odd']").evaluateAll((all) => all.map((one) => one.getAttribute("href").split("#")[0]));
    for (const link of links.filter((link) => !/\/(raw|archive)\/|\.(patch|diff|atom)$|from=/.test(link) && !seen.has(link))) {
      seen.add(link);
      waiting.push(link);
    }
  }
  for (const name of NAMES) await page.goto(`${world.url}/odd/search?q=${encodeURIComponent(name)}&ref=${encodeURIComponent(name)}`);
  console.log("pages of odd names:", count);
  assert.equal(called, 0);
  await page.goto(world.url + "/odd/tree/main");
  const shown = await page.locator(".files tbody th a, .files tbody th").evaluateAll((all) => all.map((one) => one.textContent.trim()));
  for (const name of NAMES.filter((name) => ![...name].some((c) => c < " " || c === "\u202e" || c === "/"))) assert.ok(shown.includes(name), name);
  await context.close();
});
