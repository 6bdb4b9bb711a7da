// Whatever others have written comes out as text: branch names, subjects, job output, titles of steps, reasons.
import test from "node:test";
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { World, browse, watched } from "./world.js";

const ESC = "\u001b";
const MARKUP = ["<script>fault()</script>", "<img src=x onerror=fault()>", "\"><svg/onload=fault()>", "'onmouseover='fault()", "</title><script>fault()</script>", "</pre></li></ol></details><script>fault()</script>",
  "<a href=javascript:fault()>x</a>", "{{ 7*7 }}", "${fault()}", "<!--", "-->", "]]>", "&lt;script&gt;", "&#60;script&#62;", "<style>*{display:none}</style>", "<meta http-equiv=refresh content=0>", "<base href=//x>",
  "<form action=//x>", "<iframe src=//x>", "<details open ontoggle=fault()>", `${ESC}]8;;javascript:fault()${ESC}\\x${ESC}]8;;${ESC}\\`, `${ESC}[31m<b>`, `${ESC}[38;5;"m<i>`, "\u202eabc", "\u0000x", "a\u0008b", "\u2028x", "<p class=mark>passed</p>", "data: x", "event: end"];
const HOSTILE = Array.from({ length: 200 }, (_, n) => MARKUP[n % MARKUP.length] + (n < MARKUP.length ? "" : MARKUP[(n * 7 + 3) % MARKUP.length]));

test("two hundred hostile strings are text on every page", async () => {
  const world = await World.start();
  const browser = await browse();
  try {
    await world.repo("foo", `(local ci (require :quire.ci))
(ci:job :t [:quire/push] (fn [{: sh}] (sh "cat hostile.txt") (sh "echo '<script>fault()</script>'; true") (error "<img src=x onerror=fault()>")))
`);
    await writeFile(`${world.path}/work/foo/hostile.txt`, HOSTILE.map((text) => text.replaceAll("\n", " ")).join("\n") + "\n");
    await world.commit("foo", await world.sh("cat foo/.quire/ci.fnl"), "<script>fault()</script>\"'><img src=x onerror=fault()>");
    const ref = "x'\"><img/src=x/onerror=fault()>&amp;";
    await writeFile(`${world.path}/ref`, ref);
    await world.sh(`cd foo && git push -q -o ci.wait origin "HEAD:refs/heads/$(cat $W/ref)" 2>&1 || true; git push -q -o ci.wait origin HEAD:main || true`);
    const context = await browser.newContext();
    await world.signIn(context);
    const page = await watched(context, world);
    let called = 0;
    await page.exposeFunction("fault", () => { called += 1; });
    const pages = ["/", "/queue", "/foo/runs", "/foo/runs?ref=" + encodeURIComponent(ref), "/foo/run/1", "/foo/run/1/job/t", "/foo/run/1/job/t?ts=1", "/foo/run/1/search?q=" + encodeURIComponent("<script>"), "/foo/ci", "/?q=" + encodeURIComponent("\"><script>fault()</script>")];
    for (const path of pages) {
      const answer = await page.goto(world.url + path);
      assert.equal(answer.status(), 200, path);
      const active = await page.evaluate(() => [...document.querySelectorAll("script:not([src^='/-/']), img, iframe, style, base, form[action^='//'], meta[http-equiv], [onerror], [onload], [onmouseover], [ontoggle], a[href^='javascript']")].map((one) => one.outerHTML));
      assert.deepEqual(active, [], path);
      assert.equal(await page.locator("body > main").count(), 1, path);
      assert.deepEqual(page.faults, [], path);
    }
    await page.goto(world.url + "/foo/run/1/job/t");
    const shown = await page.locator("details.step[data-step='1'] ol.log > li").evaluateAll((all) => all.map((li) => li.textContent.replace(/\n$/, "")));
    assert.equal(shown.length, HOSTILE.length, "each string is one line");
    for (const [at, text] of HOSTILE.entries()) {
      if (![...text].some((c) => c < " " || "\u202e\u2028".includes(c))) assert.equal(shown[at], text);
    }
    assert.equal(called, 0);
    await context.close();
  } finally {
    await browser.close();
    await world.end();
  }
});
