// Runs that are training: each new checkpoint, as it comes.

const EVERY = 1000; // milliseconds between looks

/**
 * Look again and again at the run of the model in the dish.
 * @param {() => object|null} current the entry in the dish; its `follow` is the address of `{version, epoch, epochs,
 *   loss}`, if it is a run's. What was found last is kept as its `run`.
 * @param {(entry: object, newer: boolean) => Promise<void>} changed told of each new checkpoint; `newer` unless it
 *   is the first that was looked at, whose weights are in the dish already.
 * @param {(reason: string) => void} lost told once of what is in the way, until it is out of it.
 */
export function follow(current, changed, lost) {
  let answering = true;
  const look = async () => {
    const entry = current();
    try {
      if (entry?.follow) await lookAt(entry, changed);
      answering = true;
    } catch (error) {
      if (answering) lost(error.message);
      answering = false;
    }
    setTimeout(look, EVERY);
  };
  look();
}

async function lookAt(entry, changed) {
  // With its ETag: what is unchanged costs nothing.
  const answer = await fetch(entry.follow, { cache: "no-cache" }).catch(() => null);
  if (!answer) throw new Error("nobody answers");
  if (!answer.ok) throw new Error(await answer.text());
  const state = await answer.json();
  const before = entry.run;
  entry.run = state;
  if (state.version === before?.version) return;
  try {
    await changed(entry, before !== undefined);
  } catch (error) {
    entry.run = before; // so that it is tried again
    throw error;
  }
}
