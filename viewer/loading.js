// Says so where the page's modules cannot be loaded. A plain script: modules are what browsers do not load from a disk.

addEventListener("error", ({ target }) => {
  if (!(target instanceof HTMLScriptElement)) return;
  document.getElementById("error").textContent = location.protocol === "file:"
    ? "From a disk a browser does not run this page: run `python3 -m http.server` in its folder and open " +
      "http://localhost:8000. A page that needs no server is made by `petri shader-gen --html`."
    : `The page's scripts cannot be loaded: ${target.src}`;
}, true); // the event does not bubble
