// Workers that help to paint, where the processor does: shared by all dishes of a page.

import { Away } from "./cells.js";

const MOST = 7; // beside the worker that has the cells
const SHARES = 4; // parts of a picture for each, so that who has an empty one takes another

export class Painters {
  #helpers = [];
  #opening = null;

  /** Open as many workers as the processor has cores for; none where a page may have none. */
  open(module) {
    this.#opening ??= Promise.all(
      Array.from({ length: Math.min(MOST, (navigator.hardwareConcurrency || 2) - 1) }, () =>
        Away.open(module).then((helper) => this.#helpers.push(helper), () => {}),
      ),
    );
    return this.#opening;
  }

  /**
   * Let cells paint, with the helpers.
   * @param {string} what a method of cells.js that takes columns, rows and `more`
   * @param {Away|Here} cells that have the state
   * @param {object} plan of their model on its grid
   * @param {{columns: Float32Array, rows: Float32Array}} at
   * @returns {Promise<?object>} a typed array of what they made, `[row, column, 4]`; null if the cells are closed
   */
  async share(what, cells, plan, { columns, rows }, ...more) {
    const helpers = this.#helpers.filter(({ stopped }) => !stopped);
    const job = { plan, state: helpers.length ? await cells.ask("read") : null };
    const height = rows.length / 4;
    const some = Math.ceil(height / (SHARES * (helpers.length + 1)));
    let next = 0;
    const parts = [];
    const work = async (painter, mine) => {
      while (next < height) {
        const first = next;
        next = Math.min(height, first + some);
        const begun = mine ? [] : prepare(painter, job);
        const asked = painter.ask(what, columns, rows.slice(4 * first, 4 * next), ...more);
        const part = (await Promise.all([...begun, asked])).at(-1);
        if (!part) return;
        parts.push([first, part]);
      }
    };
    await Promise.all([work(cells, true), ...helpers.map((helper) => work(helper, false))]);
    const length = columns.length * height; // four numbers a point, as there are four a column
    if (parts.reduce((sum, [, part]) => sum + part.length, 0) < length) return null;
    const whole = new parts[0][1].constructor(length);
    for (const [first, part] of parts) whole.set(part, columns.length * first);
    return whole;
  }
}

/** Give a helper the state of the dish that it works for, unless it has it. */
function prepare(helper, job) {
  if (helper.job === job) return [];
  const begun = helper.job?.plan === job.plan ? [] : [helper.ask("set", job.plan)];
  helper.job = job;
  return [...begun, helper.ask("write", job.state, 0)];
}
