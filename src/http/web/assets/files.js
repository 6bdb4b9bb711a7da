// The last changes of files, when the server looked for them longer than the page waited.
{
  const waits = [400, 1500, 4000];
  const names = (files) => [...files.querySelectorAll("th")].map((name) => name.textContent).join("\n");
  const look = async () => {
    const own = document.getElementById("files");
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    const now = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("files");
    if (!now || names(now) !== names(own)) return;
    const cells = now.querySelectorAll("td");
    own.querySelectorAll("td").forEach((cell, at) => cell.replaceChildren(...cells[at].childNodes));
    if ("pending" in now.dataset) soon(); else delete own.dataset.pending;
  };
  const soon = () => { if (waits.length) setTimeout(look, waits.shift()); };
  if (document.querySelector("#files[data-pending]")) soon();
}
