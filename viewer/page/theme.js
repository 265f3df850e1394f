// Dark or light: as the system has it, until the visitor says otherwise.

const KEY = "petri-theme";

/** @param {HTMLButtonElement} button names the theme that it leads to. */
export function themeButton(button, changed) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const now = () => document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
  const show = () => {
    button.textContent = now() === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `${button.textContent} theme`);
    changed();
  };
  const kept = remembered(KEY);
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
  dark.addEventListener("change", show);
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = now() === "dark" ? "light" : "dark";
    remember(KEY, now());
    show();
  });
  show();
}

/** What was kept under a name; null where nothing may be kept, as in a frame without an origin. */
export function remembered(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Then it holds until the page is closed.
  }
}
