// The colour theme: what the system prefers, until the reader chooses. It runs before the page is drawn, so that the page
// does not flash in the wrong colours.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

  // A browser may forbid storage; then the choice lasts as long as the page.
  const storage = {
    read() {
      try {
        return localStorage.getItem("theme");
      } catch {
        return null;
      }
    },
    write(theme) {
      try {
        localStorage.setItem("theme", theme);
      } catch {
        // See above.
      }
    },
  };

  const saved = storage.read();
  if (saved === "dark" || saved === "light") root.dataset.theme = saved;

  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const show = () => {
      button.textContent = isDark() ? "Light colours" : "Dark colours";
    };
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      storage.write(root.dataset.theme);
      show();
    });
    system.addEventListener("change", show);
    show();
  });
})();
