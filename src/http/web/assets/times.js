// Times stay as far away as they are.
{
  const text = (s) => s < 5 ? "just now" : s < 90 ? s + " s ago" : s < 5400 ? (s / 60 | 0) + " min ago"
    : s < 172800 ? (s / 3600 | 0) + " h ago" : (s / 86400 | 0) + " days ago";
  const tick = () => {
    if (document.hidden) return;
    for (const time of document.querySelectorAll("main time")) {
      const at = new Date(time.dateTime);
      const now = text(Math.max(0, (Date.now() - at) / 1000 | 0));
      if (time.textContent !== now) time.textContent = now;
      time.title ||= at.toLocaleString();
    }
  };
  setInterval(tick, 5000);
}
