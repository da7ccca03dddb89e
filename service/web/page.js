// Small words for building the page: elements, numbers, times.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element: `el("a", {href: "docs", class: "link"}, "Docs")`. Text is never parsed as HTML. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** An icon of the page's sprite, for the eye alone. */
export function icon(name) {
  const node = document.createElementNS(SVG, "svg");
  node.setAttribute("class", "icon");
  node.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  node.append(use);
  return node;
}

/** Put text into an element, only where it changes: a live region would read it out again. */
export function tell(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Three significant digits, without an exponent where people do without. */
export function number(value, digits = 3) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e6) return value.toExponential(digits - 1);
  return size >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(digits)));
}

export function count(value) {
  return typeof value === "number" ? value.toLocaleString("en") : "–";
}

export function plural(value, word) {
  return `${count(value)} ${word}${value === 1 ? "" : "s"}`;
}

export function clock(moment) {
  return new Date(moment).toLocaleTimeString("en-GB");
}

/** How long ago, in the one unit that says most. */
export function ago(moment, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - new Date(moment)) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(moment).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

const VERDICTS = {
  healthy: ["ok", "Healthy"],
  degraded: ["warn", "Degraded"],
  unhealthy: ["bad", "Unhealthy"],
  warming_up: ["wait", "Warming up"],
  unwatched: ["wait", "Unwatched"],
  not_ready: ["warn", "Not ready"],
  answers: ["ok", "Answers"],
  // Of the model alone, and of the traffic alone.
  intact: ["ok", "Intact"],
  suspect: ["warn", "Suspect"],
  faulty: ["bad", "Faulty"],
  like_training: ["ok", "Like training"],
};

export function verdictWords(verdict) {
  return (VERDICTS[verdict] ?? ["wait", verdict ?? "Unknown"])[1];
}

/** A verdict by word, shape and colour; `subject` says of what. */
export function badge(verdict, subject = null) {
  const [kind] = VERDICTS[verdict] ?? ["wait"];
  const words = verdictWords(verdict);
  return el("span", { class: `badge ${kind}` }, icon(kind), subject ? `${subject} ${words.charAt(0).toLowerCase()}${words.slice(1)}` : words);
}

/** A window's name in words. */
export function windowWords(name) {
  return { "1m": "last minute", "10m": "last ten minutes", "1h": "last hour", start: "time since the start" }[name] ?? name;
}

/** A sentence: a capital first, a stop last. */
export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

/** Save text as a file. */
export function download(name, text, type = "text/csv") {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = el("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** A message in place of content that is not there. */
export function empty(title, text) {
  return el("div", { class: "empty" }, el("p", { class: "empty-title" }, title), text && el("p", {}, text));
}

export function failure(error) {
  const id = error.requestId ? el("small", {}, ` Request ${error.requestId}.`) : null;
  return el("p", { class: "failure", role: "alert" }, icon("bad"), el("span", {}, error.message, id));
}
