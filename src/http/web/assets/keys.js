// Keys. They never work while somebody types.
{
  const click = (selector) => () => document.querySelector(selector)?.click();
  const job = (by) => () => {
    const rows = [...document.querySelectorAll(".chips a[data-job], tbody tr[data-job] th a")];
    if (!rows.length) return;
    const focused = rows.findIndex((row) => row === document.activeElement);
    const current = rows.findIndex((row) => row.ariaCurrent);
    const next = rows[Math.max(0, Math.min(rows.length - 1, (focused >= 0 ? focused : current) + by))];
    if (document.body.dataset.page === "job") { if (next !== rows[current]) next.click(); } else {
      for (const row of document.querySelectorAll("tr.on")) row.classList.remove("on");
      next.closest("tr").classList.add("on");
      next.focus();
    }
  };
  const failure = (by) => () => {
    const failed = [...document.querySelectorAll(".cause, details.step:has(> summary .bad), tbody tr:has(.mark.bad)")];
    if (!failed.length) return say("nothing has failed");
    const at = failed.findIndex((one) => one.classList.contains("at"));
    const next = failed[(at + by + failed.length) % failed.length];
    for (const one of failed) one.classList.toggle("at", one === next);
    if (next.open === false) next.open = true;
    next.scrollIntoView({ block: "center" });
    (next.querySelector("a, summary") || next).focus({ preventScroll: true });
  };
  const keys = {
    "f": ["follow the log", () => follow(!follows)],
    "n": ["next failure", failure(1)],
    "N": ["previous failure", failure(-1)],
    "j": ["next job", job(1)],
    "k": ["previous job", job(-1)],
    "[": ["older run", click("#older")],
    "]": ["newer run", click("#newer")],
    "t": ["times of lines", click("#times")],
    "r": ["raw log", click("#raw")],
    "/": ["search", () => document.querySelector("input[type=search]")?.focus()],
    "?": ["this list", () => help()],
  };
  const help = () => {
    let dialog = document.querySelector("dialog");
    if (!dialog) {
      dialog = document.createElement("dialog");
      dialog.setAttribute("aria-label", "Keys");
      const list = document.createElement("dl");
      for (const [key, [text]] of Object.entries(keys)) {
        const name = document.createElement("dt");
        name.append(Object.assign(document.createElement("kbd"), { textContent: key }));
        list.append(name, Object.assign(document.createElement("dd"), { textContent: text }));
      }
      const form = document.createElement("form");
      form.method = "dialog";
      form.append(Object.assign(document.createElement("button"), { textContent: "Close" }));
      dialog.append(list, form);
      document.body.append(dialog);
    }
    if (dialog.open) dialog.close(); else dialog.showModal();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, [contenteditable]")) return;
    const key = keys[event.key];
    if (!key) return;
    event.preventDefault();
    key[1]();
  });
  const button = document.getElementById("show-keys");
  if (button) {
    button.hidden = false;
    button.addEventListener("click", help);
  }
}
