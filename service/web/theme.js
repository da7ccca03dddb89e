// The theme: the system's until one is chosen. Runs before the page is painted, so that none flashes.

(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try {
    chosen = localStorage.getItem("snn-theme");
  } catch {
    // A browser that keeps nothing follows the system.
  }

  const show = () => {
    root.dataset.theme = ["light", "dark"].includes(chosen) ? chosen : system.matches ? "dark" : "light";
    document.dispatchEvent(new CustomEvent("snn-theme"));
  };
  system.addEventListener("change", show);
  document.addEventListener("snn-theme-chosen", ({ detail }) => {
    chosen = detail;
    try {
      localStorage.setItem("snn-theme", detail);
    } catch {
      // It lasts as long as the page.
    }
    show();
  });
  show();
})();
