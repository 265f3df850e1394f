// What the visitor is told: notes, which go, and errors, which stay until something else is said.

const NOTE = 8000; // milliseconds

const note = document.getElementById("message");
const error = document.getElementById("error");
let timer = 0;

export function say(text) {
  clearTimeout(timer);
  error.textContent = "";
  note.textContent = text;
  timer = setTimeout(() => (note.textContent = ""), NOTE);
}

export function complain(text) {
  note.textContent = "";
  error.textContent = text;
}

export function silence() {
  note.textContent = "";
  error.textContent = "";
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
