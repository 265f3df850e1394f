// The row of specimens: a radio group, so that arrow keys, labels and focus are the browser's own.

import { knownToHeal } from "./training.js";

export class Picker {
  /**
   * @param {HTMLElement} row where the specimens go.
   * @param {(entry: object) => void} choose called with the entry that the visitor has picked.
   */
  constructor(row, choose) {
    this.row = row;
    this.entries = [];
    row.addEventListener("change", (event) => choose(this.find(event.target.value)));
  }

  find(name) {
    return this.entries.find((entry) => entry.name === name);
  }

  /** Add a specimen; its name is text, whatever it looks like. */
  add(entry) {
    this.entries.push(entry);
    const label = document.createElement("label");
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "model", value: entry.name });
    const picture = Object.assign(document.createElement("img"), { alt: "", width: 72, height: 72, draggable: false });
    const title = Object.assign(document.createElement("span"), { textContent: entry.name });
    label.append(input, picture, title);
    if (knownToHeal(entry)) label.append(Object.assign(document.createElement("small"), { textContent: "heals" }));
    label.title = entry.name;
    this.row.append(label);
    if (entry.thumbnail) this.setThumbnail(entry, entry.thumbnail);
  }

  /** Show an entry as the one in the dish. */
  mark(entry) {
    const input = this.inputOf(entry);
    input.checked = true;
    // Only the row scrolls, never the page.
    const { left, right } = input.parentElement.getBoundingClientRect();
    const box = this.row.getBoundingClientRect();
    if (left < box.left) this.row.scrollLeft -= box.left - left;
    else if (right > box.right) this.row.scrollLeft += right - box.right;
  }

  /** Give an entry a picture. */
  setThumbnail(entry, address) {
    entry.thumbnail = address;
    const picture = this.inputOf(entry).parentElement.querySelector("img");
    picture.src = address;
    if (entry.ground) picture.style.background = entry.ground;
  }

  inputOf(entry) {
    return [...this.row.querySelectorAll("input")].find((input) => input.value === entry.name);
  }
}
