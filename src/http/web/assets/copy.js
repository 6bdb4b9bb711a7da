// A button beside every command.
{
  const add = (root) => {
    if (!navigator.clipboard) return;
    for (const code of root.querySelectorAll("[data-copy]:not([data-has])")) {
      code.dataset.has = "";
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Copy", className: "copy" });
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      });
      code.after(button);
    }
  };
  add(document);
  document.addEventListener("quire:new", () => add(document));
}
