// The models: version, provider, verdict, traffic, readiness, integrity. One of them is looked into.

import { ago, badge, el, empty, icon, number, plural, tell } from "./page.js";

const RATE_SECONDS = 10;

export class ModelsPanel {
  /** `chosen(name)` is told which model to look into. */
  constructor(place, chosen) {
    this.place = place;
    this.chosen = chosen;
    this.cards = new Map();
    this.seen = new Map(); // by model: rows since the start, at the times of the last documents
  }

  /** Rows a second over the last seconds; null before there are two documents to compare. */
  rate(name, document, now) {
    const rows = document?.windows?.start?.rows;
    if (typeof rows !== "number") return null;
    let seen = this.seen.get(name) ?? [];
    const last = seen.at(-1);
    if (last && (last.version !== document.version || rows < last.rows)) seen = [];
    if (!last || now - last.now > 500) seen.push({ now, rows, version: document.version });
    while (seen.length > 2 && now - seen[0].now > RATE_SECONDS * 1000) seen.shift();
    this.seen.set(name, seen);
    const [first, newest] = [seen[0], seen.at(-1)];
    return newest.now > first.now ? ((newest.rows - first.rows) * 1000) / (newest.now - first.now) : null;
  }

  /** `ready` is readiness' document, `documents` the activations' by model; either may be missing. */
  show(ready, documents, current, now) {
    const names = [...new Set([...Object.keys(ready?.models ?? {}), ...Object.keys(documents ?? {})])].sort();
    if (!ready && !documents) return;
    if (names.length === 0) {
      const why = ready?.error ? `The service says: ${ready.error}.` : "Publish one, and it appears here.";
      this.place.replaceChildren(empty("No model is served", why));
      this.cards.clear();
      return;
    }
    for (const [name, card] of this.cards) {
      if (!names.includes(name)) {
        card.root.remove();
        this.cards.delete(name);
      }
    }
    if (this.cards.size === 0) this.place.replaceChildren();
    for (const name of names) {
      let card = this.cards.get(name);
      if (!card) {
        card = this.card(name);
        this.cards.set(name, card);
        this.place.append(card.root);
      }
      this.fill(card, name, ready?.models?.[name], documents?.[name], current === name, now);
    }
  }

  card(name) {
    const button = el("button", { type: "button", class: "card-name", onclick: () => this.chosen(name) }, name);
    const parts = {
      button,
      version: el("span", { class: "version" }),
      verdict: el("span", { class: "verdict" }),
      reason: el("p", { class: "reason" }),
      rate: el("dd"),
      rows: el("dd"),
      effect: el("dd"),
      integrity: el("dd"),
      provider: el("dd"),
      trouble: el("p", { class: "failure", hidden: true }),
    };
    const fact = (label, value) => el("div", {}, el("dt", {}, label), value);
    parts.root = el(
      "article",
      { class: "card model" },
      el("header", {}, el("h3", {}, button), parts.version, parts.verdict),
      parts.reason,
      parts.trouble,
      el(
        "dl",
        { class: "facts" },
        fact("Traffic", parts.rate),
        fact("Last minute", parts.rows),
        fact("Largest effect", parts.effect),
        fact("Integrity", parts.integrity),
        fact("Provider", parts.provider),
      ),
    );
    return parts;
  }

  fill(card, name, ready, document, current, now) {
    const verdict = document?.verdict ?? "not_ready";
    card.button.setAttribute("aria-pressed", String(current));
    card.root.classList.toggle("current", current);
    const version = document?.version ?? ready?.version;
    tell(card.version, version ? `version ${version}` : "no version");
    if (card.shown !== verdict) {
      card.verdict.replaceChildren(badge(verdict));
      card.shown = verdict;
    }
    tell(card.reason, document ? headline(document) : "It cannot answer requests now.");
    const rate = this.rate(name, document, now);
    tell(card.rate, rate === null ? "–" : `${number(rate, 2)} rows/s`);
    const minute = document?.windows?.["1m"];
    tell(card.rows, typeof minute?.rows === "number" ? plural(minute.rows, "row") : "–");
    // A change that lasts is of the latest rows alone; a window may hold what came before it, too.
    const lasting = document?.change && !document.change.ended ? document.change : null;
    const shown = lasting ?? (document?.window ? document.windows?.[document.window] : null);
    tell(card.effect, typeof shown?.effect === "number" ? `${number(shown.effect, 2)} sd` : "–");
    const integrity = document?.integrity;
    const checked = integrity?.checked_at ? ` · ${ago(integrity.checked_at, now)}` : "";
    tell(card.integrity, integrity?.ok === true ? `Intact${checked}` : integrity?.ok === false ? `Failed${checked}` : "–");
    card.integrity.classList.toggle("is-bad", integrity?.ok === false);
    const provider = ready?.provider ?? null;
    tell(card.provider, provider ? provider.replace("ExecutionProvider", "") : "–");
    const trouble = [ready?.error, integrity?.ok === false && faultWords(integrity.fault), integrity?.files?.ok === false && integrity.files.error]
      .filter(Boolean)
      .map(sentence)
      .join(" ");
    if (card.told !== trouble) card.trouble.replaceChildren(icon("bad"), el("span", {}, trouble));
    card.told = trouble;
    card.trouble.hidden = !trouble;
  }
}

/** What the golden rows found different, with its place where it has one. */
export function faultWords(fault) {
  if (!fault) return "the golden rows are not reproduced";
  return fault.message ?? `${fault.part ?? "a part"} of the model differs`;
}

/** What happened, in a few words. */
export function headline(document) {
  const words = document.headline || document.reason;
  return words ? sentence(words) : "";
}

export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

