// The legend of a classifier: a colour and a name for each class, how many of the cells vote for it, and the verdict.

import { COLOURS } from "../lib/colours.js";
import { verdict } from "../lib/votes.js";

const EVERY = 120; // milliseconds between looks at the votes, at the least

export class Classes {
  /**
   * @param {HTMLElement} row where the buttons go; hidden where there are no classes.
   * @param {HTMLElement} said where the verdict goes.
   * @param {(sample: object) => void} drop called with the sample picture that the visitor asks for.
   */
  constructor(row, said, drop) {
    Object.assign(this, { row, said, drop });
    this.labels = [];
    this.looked = -Infinity;
    this.looking = false;
  }

  /** Offer what a model tells apart. */
  list({ classes, samples }) {
    this.labels = classes;
    this.row.hidden = this.said.hidden = !classes.length;
    this.row.replaceChildren(
      ...classes.map((label, number) => {
        const sample = samples[number];
        const button = element("button", { type: "button", disabled: !sample });
        button.title = sample ? `Drop in a ${label}` : label;
        const chip = element("i", {});
        chip.style.background = COLOURS[number];
        button.append(chip, element("span", { textContent: label }), element("b", {}));
        button.addEventListener("click", () => this.drop(sample));
        return button;
      }),
    );
    this.say({ which: -1, shares: classes.map(() => 0), cells: 0 });
  }

  /** Count the votes in a dish; if that was done a moment ago, in a moment: a dish at rest is drawn only once. */
  async look(dish, now = performance.now()) {
    if (!this.labels.length) return;
    this.dish = dish;
    if (this.looking || now - this.looked < EVERY) {
      this.later ??= setTimeout(() => {
        this.later = undefined;
        this.look(this.dish).catch(() => {}); // it was closed meanwhile
      }, EVERY);
      return;
    }
    [this.looked, this.looking] = [now, true];
    try {
      const { spec, model } = dish;
      const state = await dish.read();
      if (state && model === dish.model && spec.classes === this.labels.length) this.say(verdict(spec, state));
    } finally {
      this.looking = false;
    }
  }

  /** Show what the votes come to. */
  say({ which, shares, cells }) {
    [...this.row.children].slice(0, this.labels.length).forEach((button, number) => {
      button.setAttribute("aria-pressed", String(number === which));
      button.lastChild.style.width = `${100 * shares[number]}%`;
      button.lastChild.style.background = COLOURS[number];
    });
    if (!cells) this.said.textContent = "Draw something";
    else if (which < 0) this.said.textContent = "…";
    else this.said.textContent = `${this.labels[which]} · ${Math.round(100 * shares[which])} % of the cells`;
  }
}

function element(kind, properties) {
  return Object.assign(document.createElement(kind), properties);
}
