// The buttons under the dish: what a model of several targets is to be.

export class Conditions {
  /**
   * @param {HTMLElement} row where the buttons go.
   * @param {(condition: number) => void} choose called with the number of what the visitor asks for.
   */
  constructor(row, choose) {
    Object.assign(this, { row, choose });
    this.labels = [];
    this.chosen = 0;
  }

  /** Offer what a model knows; the row is hidden where it knows nothing. */
  list(labels) {
    this.labels = labels;
    this.chosen = 0;
    this.row.hidden = !labels.length;
    this.row.replaceChildren(
      ...labels.map((label, number) => {
        const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
        button.addEventListener("click", () => this.choose(number));
        return button;
      }),
    );
    this.mark(0);
  }

  /** The number of a label, or of a target's full name such as `emoji:🦋`; -1 if it is not known. */
  find(label) {
    const exact = this.labels.indexOf(label);
    return exact < 0 ? this.labels.indexOf(label.slice(label.indexOf(":") + 1)) : exact;
  }

  /** Show which one is asked for. */
  mark(number) {
    this.chosen = number;
    [...this.row.children].forEach((button, at) => button.setAttribute("aria-pressed", String(at === number)));
  }

  get label() {
    return this.labels[this.chosen] ?? null;
  }
}
