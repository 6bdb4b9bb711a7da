// Live pages. The server sends finished HTML; a page has it whole without this script, too.
const say = (text) => { document.getElementById("say").textContent = text; };
const live = () => document.getElementById("live");
{
  const kind = document.body.dataset.page;
  const SLOTS = 4, POLL = 3000;
  let source, poll, release, timer, last = 0, word = "";

  // What surrounds the log, made anew by the server.
  const refresh = async () => {
    clearTimeout(timer);
    timer = undefined;
    last = Date.now();
    const at = new URL(location.href);
    at.hash = "";
    if (kind === "job") at.searchParams.set("log", "0");
    const answer = await fetch(at, { headers: { accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const now = page.getElementById("live");
    if (!now) return;
    const focus = document.activeElement?.closest?.("#live [href],#live button");
    const key = focus && (focus.getAttribute("href") || focus.textContent);
    live().replaceWith(now);
    if (key) [...now.querySelectorAll("[href],button")].find((one) => (one.getAttribute("href") || one.textContent) === key)?.focus();
    document.title = page.title;
    document.getElementById("icon").href = page.getElementById("icon").href;
    for (const step of page.querySelectorAll("details.step")) {
      const own = document.querySelector(`details.step[data-step="${step.dataset.step}"]`);
      if (own) own.querySelector("summary").replaceWith(step.querySelector("summary"));
    }
    const mark = now.querySelector("h1 .mark")?.textContent.trim();
    if (mark && mark !== word) say(mark.replace(/^\S+ /, "") + " " + document.title.replace(/^\S+ /, ""));
    word = mark;
    document.dispatchEvent(new Event("quire:new"));
    if (now.dataset.over === "true") stop();
  };
  const soon = () => { timer ??= setTimeout(refresh, Math.max(0, 1000 - (Date.now() - last))); };

  const address = (extra) => {
    const base = (document.querySelector("#log[data-events]") || live()).dataset.events;
    return kind === "job" ? base + "&after=" + lastLine() + extra : base;
  };
  const onStep = (data) => { addStep(data); soon(); };
  const onLog = (data) => addLines(data);
  const onEnd = () => { stop(); refresh(); };

  const stream = () => {
    source = new EventSource(address(""));
    source.addEventListener("change", soon);
    source.addEventListener("step", (event) => onStep(event.data));
    source.addEventListener("log", (event) => onLog(event.data));
    source.addEventListener("end", onEnd);
    source.onerror = () => { if (source?.readyState === EventSource.CLOSED) onEnd(); };
    state("live");
  };
  const look = async () => {
    if (kind !== "job") return refresh();
    const answer = await fetch(address("&follow=0"));
    if (!answer.ok) return;
    for (const block of (await answer.text()).split("\n\n")) {
      const lines = block.split("\n");
      const event = lines.find((line) => line.startsWith("event: "))?.slice(7);
      const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
      if (event === "step") onStep(data);
      if (event === "log") onLog(data);
      if (event === "end") return onEnd();
    }
  };
  const state = (text) => {
    document.documentElement.dataset.live = text;
    const place = document.getElementById("state");
    if (place) place.textContent = text === "live" ? "live" : text === "polls" ? "looks again every 3 s" : "";
  };
  const stop = () => {
    source?.close();
    source = undefined;
    clearInterval(poll);
    poll = undefined;
    release?.();
    release = undefined;
    state("");
  };

  // A browser has six connections to a server: four streams leave room for pages.
  const start = async () => {
    if (document.hidden || source || poll || live().dataset.over === "true") return;
    if (kind === "front" || kind === "queue" || kind === "runs") return void (poll = setInterval(refresh, 5000));
    if (!navigator.locks) return stream();
    poll = setInterval(look, POLL);
    for (let slot = 0; slot < SLOTS; slot++) {
      const got = await new Promise((done) => {
        navigator.locks.request("quire-live-" + slot, { ifAvailable: true }, (lock) => {
          done(lock);
          return lock && new Promise((free) => { release = free; });
        });
      });
      if (got) {
        clearInterval(poll);
        poll = undefined;
        if (document.hidden || live().dataset.over === "true") return stop();
        return stream();
      }
    }
    state("polls");
    look();
  };
  if (live()) {
    word = live().querySelector("h1 .mark")?.textContent.trim();
    document.addEventListener("visibilitychange", () => { if (document.hidden) stop(); else start(); });
    window.addEventListener("pagehide", stop);
    window.addEventListener("pageshow", (event) => { if (event.persisted) start(); });
    if (!document.querySelector("[data-streams]")) queueMicrotask(start);
  }
}
