// A run that is training: each new checkpoint, as it comes.

const EVERY = 1000; // milliseconds between looks

/**
 * Look at a run's state again and again.
 * @param {string} address of JSON: `{version, epoch, epochs, loss}`.
 * @param {(state: object) => Promise<void>} changed told of the first state and of each whose version is new.
 * @param {() => void} lost told once, when nobody answers any more.
 */
export function follow(address, changed, lost) {
  let version = null;
  let answering = true;
  const look = async () => {
    try {
      const answer = await fetch(address, { cache: "no-cache" }); // with its ETag: what is unchanged costs nothing
      if (!answer.ok) throw new Error(answer.statusText);
      const state = await answer.json();
      answering = true;
      if (state.version !== version) await changed(state);
      version = state.version;
    } catch {
      if (answering) lost();
      answering = false;
    }
    setTimeout(look, EVERY);
  };
  look();
}
