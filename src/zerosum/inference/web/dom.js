// Small helpers for the page's elements.

const byId = (id) => document.getElementById(id);

/** Fill the page with a template, without the parts that this run has no use for. @param {Record<string, boolean>} facts */
function showTemplate(id, facts) {
  const content = byId(id).content.cloneNode(true);
  for (const element of content.querySelectorAll("[data-if], [data-unless]")) {
    const { if: wanted, unless: unwanted } = element.dataset;
    if ((wanted && !facts[wanted]) || (unwanted && facts[unwanted])) element.remove();
  }
  byId("main").replaceChildren(content);
}

/** Call a function when an element of the page is used; an element that this run has no use for is passed over. */
function on(id, event, listener) {
  byId(id)?.addEventListener(event, listener);
}

/** @param {[string | number, string][]} options values and texts */
function fillSelect(id, options) {
  byId(id)?.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
}

/** Set the value of a control, which may not be there, and unless the user is typing in it. */
function setValue(id, value) {
  const element = byId(id);
  if (element && !(element === document.activeElement && element.type === "number")) element.value = value;
}

function setText(id, text) {
  const element = byId(id);
  if (element && element.textContent !== text) element.textContent = text;
}

/** Say in one sentence what went wrong; "" if nothing does any more. */
function report(problem) {
  const element = byId("problem");
  element.hidden = !problem;
  element.textContent = problem;
  if (problem) document.documentElement.dataset.state = "failed";
}

/** Keep a text in the clipboard, and say so on the button for a moment. */
async function copyText(button, text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // a page opened from a file may not write to the clipboard everywhere
    const range = document.createRange();
    range.selectNodeContents(button.previousElementSibling);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    return;
  }
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 1500);
}

/** Let the user keep a file. @param {Blob} content */
function saveFile(content, name, suffix) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name.replace(/[^\w.+,-]+/g, "_") + suffix;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** A function that calls another so many milliseconds after it is called, once for all calls in between. */
function throttle(act, milliseconds) {
  let timer = null;
  return () => {
    timer ??= setTimeout(() => {
      timer = null;
      act();
    }, milliseconds);
  };
}

/** An argument of a command as a shell takes it. */
const quote = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

const decimals = (number, digits) => number.toFixed(digits).replace("-", "−");
