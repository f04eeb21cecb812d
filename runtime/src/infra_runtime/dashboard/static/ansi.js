// Text with ANSI escape sequences to elements. Colours become classes, or a property of the element's style for
// 256 and true colours; all other sequences are removed. A link (OSC 8) becomes its text.
const SEQUENCE = /\x1b\[([0-9;:]*)m|\x1b\[[0-9;:?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]|\x1b/g;
// Controls, and marks that change the direction of the text around them, are shown as a symbol.
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]/g;
const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

const plain = (text) => text.replace(CONTROL, (mark) => (mark < " " ? String.fromCharCode(0x2400 + mark.charCodeAt(0)) : "\u25cc"));

function cube(number) {
  if (number >= 232) return Array(3).fill(8 + (number - 232) * 10);
  const value = number - 16;
  return [Math.floor(value / 36), Math.floor(value / 6) % 6, value % 6].map((part) => (part ? 55 + part * 40 : 0));
}

function changed(style, codes) {
  let next = { ...style };
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at];
    if (code === 0) next = {};
    else if (code === 1) next.bold = true;
    else if (code === 2) next.faint = true;
    else if (code === 3) next.italic = true;
    else if (code === 4) next.underline = true;
    else if (code === 22) next.bold = next.faint = false;
    else if (code === 23) next.italic = false;
    else if (code === 24) next.underline = false;
    else if (code === 39) next.colour = undefined;
    else if (code === 49) next.background = undefined;
    else if (code >= 30 && code <= 37) next.colour = NAMES[code - 30];
    else if (code >= 90 && code <= 97) next.colour = NAMES[code - 90];
    else if (code >= 40 && code <= 47) next.background = NAMES[code - 40];
    else if (code >= 100 && code <= 107) next.background = NAMES[code - 100];
    else if (code === 38 || code === 48) {
      let colour;
      if (codes[at + 1] === 5) {
        const number = codes[at + 2] ?? 0;
        colour = number < 16 ? NAMES[number % 8] : cube(number);
        at += 2;
      } else if (codes[at + 1] === 2) {
        colour = [codes[at + 2], codes[at + 3], codes[at + 4]].map((part) => part ?? 0);
        at += 4;
      }
      next[code === 38 ? "colour" : "background"] = colour;
    }
  }
  return next;
}

const css = (colour) => (typeof colour === "string" ? `var(--${colour})` : `rgb(${colour.join(" ")})`);

// 256 and true colours are mixed with the colour of the text, and backgrounds with that of the panel.
function element(style, text) {
  const span = document.createElement("span");
  for (const name of ["bold", "faint", "italic", "underline"]) if (style[name]) span.classList.add(name);
  if (typeof style.colour === "string") span.classList.add(`ansi-${style.colour}`);
  else if (style.colour) span.style.color = `color-mix(in oklab, ${css(style.colour)} 55%, var(--text))`;
  if (style.background) span.style.backgroundColor = `color-mix(in oklab, ${css(style.background)} 20%, var(--panel))`;
  span.textContent = plain(text);
  return span;
}

export function rendered(text) {
  const fragment = document.createDocumentFragment();
  if (!text.includes("\x1b")) {
    fragment.append(plain(text));
    return fragment;
  }
  let style = {};
  let from = 0;
  for (const match of text.matchAll(SEQUENCE)) {
    if (match.index > from) fragment.append(element(style, text.slice(from, match.index)));
    if (match[1] !== undefined) style = changed(style, match[1].split(/[;:]/).map(Number));
    from = match.index + match[0].length;
  }
  if (from < text.length) fragment.append(element(style, text.slice(from)));
  return fragment;
}

export const stripped = (text) => text.replace(SEQUENCE, "");
