// Files that the visitor brings: dropped anywhere on the page, or chosen.

import { complain } from "./messages.js";

/** @param {(files: File[]) => void} bring called with at least one file. */
export function acceptFiles(frame, button, input, bring) {
  const over = (shown) => frame.classList.toggle("dropping", shown);
  addEventListener("dragover", (event) => {
    event.preventDefault(); // or the browser would leave the page for the file
    over(true);
  });
  addEventListener("dragleave", (event) => event.relatedTarget === null && over(false));
  addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    const files = [...event.dataTransfer.files];
    if (files.length) bring(files);
    else complain("What was dropped is no file: drop a model, a .safetensors file, a mesh, or for a classifier a picture.");
  });
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = ""; // so that the same file can be chosen again
    if (files.length) bring(files);
  });
}
