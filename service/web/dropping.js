// A box of text into which files can be dropped, pasted or chosen.

import { el } from "./page.js";

const MOST_BYTES = 64 * 1024 * 1024;
/** Longer files are not put into the box, which would grow slow; they are sent as they are. */
const SHOWN_CHARACTERS = 200_000;
/** How files that are no text begin, gzip's as text, and what they are. */
const PACKED = { "\u001f\ufffd": "compressed by gzip", "PK\u0003\u0004": "a zip archive or a workbook", PAR1: "Parquet" };

/** `problem(text)` is told what cannot be read; returns the box with `text()` and `put(text)`. */
export function textBox({ id, label, hint, placeholder, accept, problem, rows = 6 }) {
  const area = el("textarea", { id, rows, placeholder, spellcheck: "false", autocomplete: "off", autocapitalize: "off", "aria-describedby": `${id}-hint` });
  const file = el("input", { type: "file", id: `${id}-file`, accept, class: "visually-hidden" });
  const note = el("p", { class: "file-note", hidden: true });
  let whole = null; // a file's text that is too long for the box

  const put = (text, name = null) => {
    whole = text.length > SHOWN_CHARACTERS ? text : null;
    area.value = whole ? "" : text;
    area.disabled = whole !== null;
    note.hidden = !name;
    note.replaceChildren(...(name ? [`${name}, ${text.length.toLocaleString("en")} characters `, el("button", { type: "button", class: "link", onclick: () => clear() }, "Clear")] : []));
    area.dispatchEvent(new Event("change"));
  };
  const clear = () => {
    put("");
    file.value = "";
    area.focus();
  };
  const take = async (taken) => {
    if (!taken) return;
    if (taken.size > MOST_BYTES) {
      problem(`${taken.name} has ${Math.round(taken.size / 1048576)} MiB; this page takes 64. Score larger files by “python -m service score”.`);
      return;
    }
    try {
      const text = await taken.text();
      const packed = Object.entries(PACKED).find(([sign]) => text.startsWith(sign));
      if (packed) problem(`${taken.name} is ${packed[1]}, which this page does not read: drop what is in it, or use “snn score”.`);
      else put(text, taken.name);
    } catch {
      problem(`${taken.name} cannot be read.`);
    }
  };

  file.addEventListener("change", () => take(file.files[0]));
  const box = el(
    "div",
    { class: "drop" },
    el("label", { for: id, class: "drop-label" }, label),
    el("p", { id: `${id}-hint`, class: "muted" }, hint),
    area,
    note,
    file,
    el("label", { for: `${id}-file`, class: "button quiet" }, "Choose a file"),
  );
  const over = (on) => (event) => {
    event.preventDefault();
    box.classList.toggle("over", on);
  };
  box.addEventListener("dragover", over(true));
  box.addEventListener("dragleave", over(false));
  box.addEventListener("drop", (event) => {
    over(false)(event);
    take(event.dataTransfer?.files[0]);
  });
  /** Text that is there from the start; a first click selects it, so that typing replaces it. */
  const begin = (text) => {
    put(text);
    area.addEventListener("focus", () => area.value === text && area.select(), { once: true });
  };
  return { box, area, put, begin, text: () => whole ?? area.value };
}
