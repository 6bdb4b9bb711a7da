// The log of a job: new lines, permalinks to lines and ranges, following the end.
const log = document.querySelector("section#log");
const lastLine = () => { const all = log?.querySelectorAll("ol.log:last-of-type > li:last-child"); return all?.length ? Math.max(...[...all].map((li) => +li.id.slice(1))) : 0; };
let follows = false, waiting = [], frame = 0;
const follow = (on) => {
  follows = on;
  const button = document.getElementById("follow");
  if (button) button.hidden = on || live()?.dataset.over === "true";
  if (on) window.scrollTo({ top: document.body.scrollHeight });
};
const addStep = (data) => {
  const at = data.indexOf("\n");
  const number = data.slice(0, at);
  if (!log || log.querySelector(`details.step[data-step="${number}"]`)) return;
  flush();
  log.insertAdjacentHTML("beforeend", data.slice(at + 1));
};
const addLines = (data) => {
  waiting.push(data);
  frame ||= requestAnimationFrame(flush);
  if (document.hidden) flush();
};
const flush = () => {
  frame = 0;
  const batch = waiting;
  waiting = [];
  for (const data of batch) {
    const at = data.indexOf("\n");
    const html = data.slice(at + 1);
    let step = log.querySelector(`details.step[data-step="${data.slice(0, at)}"]`);
    if (!step) {
      log.insertAdjacentHTML("beforeend", `<details class="step" data-step="${+data.slice(0, at)}" open><summary>step ${+data.slice(0, at)}</summary></details>`);
      step = log.lastElementChild;
    }
    let block = step.querySelector("ol.log:last-of-type");
    if (!html.startsWith("<li") && block) { block.lastElementChild.insertAdjacentHTML("beforeend", html); continue; }
    if (!block || block.childElementCount >= 500) {
      block = document.createElement("ol");
      block.className = "log";
      block.start = +html.match(/id=L(\d+)/)?.[1] || 1;
      step.append(block);
    }
    block.insertAdjacentHTML("beforeend", html);
  }
  if (batch.length && follows) window.scrollTo({ top: document.body.scrollHeight });
  count();
};
const count = () => { const n = lastLine(), place = document.getElementById("count"); if (place && n) place.textContent = n.toLocaleString("en") + (n === 1 ? " line · " : " lines · "); };
// `#L5` and `#L5-L9`.
const mark = () => {
  if (!log) return;
  for (const li of log.querySelectorAll("li.on")) li.classList.remove("on");
  const found = location.hash.match(/^#L(\d+)(?:-L?(\d+))?$/);
  if (!found) return;
  const [from, to] = [+found[1], +(found[2] || found[1])].sort((one, other) => one - other);
  const first = document.getElementById("L" + from);
  if (!first) return;
  first.closest("details").open = true;
  for (let n = from; n <= Math.min(to, from + 5000); n++) document.getElementById("L" + n)?.classList.add("on");
  follow(false);
  first.scrollIntoView({ block: "center" });
};
if (log) {
  const atEnd = () => innerHeight + scrollY >= document.body.scrollHeight - 60;
  count();
  mark();
  addEventListener("hashchange", mark);
  follows = live()?.dataset.over !== "true" && !location.hash;
  if (follows && lastLine()) follow(true);
  addEventListener("wheel", (event) => { if (event.deltaY < 0) follow(false); }, { passive: true });
  addEventListener("scroll", () => { if (!follows && live()?.dataset.over !== "true" && atEnd() && !location.hash) follow(true); }, { passive: true });
  addEventListener("keydown", (event) => { if (["PageUp", "Home", "ArrowUp"].includes(event.key)) follow(false); });
  document.addEventListener("selectionchange", () => { if (!getSelection().isCollapsed) follow(false); });
  document.querySelector("#follow button")?.addEventListener("click", () => follow(true));
  // The number of a line leads to the line, with Shift to a range.
  log.addEventListener("click", (event) => {
    const li = event.target.closest("ol.log > li");
    if (!li || event.offsetX >= 0 && event.target === li || event.target !== li) return;
    const from = location.hash.match(/^#L(\d+)/)?.[1];
    const hash = event.shiftKey && from ? `#L${Math.min(from, li.id.slice(1))}-L${Math.max(from, li.id.slice(1))}` : "#" + li.id;
    history.replaceState(null, "", hash);
    mark();
  });
}
