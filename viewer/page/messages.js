// What the visitor is told: notes and errors. Both go by themselves, errors later, or when they are closed.

const NOTE = 8000; // milliseconds
const ERROR = 30_000;

const note = document.getElementById("message");
const error = document.getElementById("error");
let timer = 0;

document.getElementById("dismiss").addEventListener("click", silence);

export function say(text) {
  show(text, "", NOTE);
}

export function complain(text) {
  show("", text, ERROR);
}

export function silence() {
  show("", "", 0);
}

function show(said, wrong, time) {
  clearTimeout(timer);
  note.textContent = said;
  error.textContent = wrong;
  if (time) timer = setTimeout(silence, time);
}

/** Run what may fail; whatever goes wrong is one line on the page. */
export async function trying(action) {
  try {
    return await action();
  } catch (problem) {
    complain(problem.message);
    return undefined;
  }
}
