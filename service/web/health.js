// Is it well? One line for each model: two badges, one sentence, what to do; its numbers behind a fold.

import { ago, badge, clock, el, empty, icon, number, plural, sentence, tell } from "./page.js";

const RATE_SECONDS = 10;

export class HealthPanel {
  /** `chosen(name)` is told which model to look into. */
  constructor(place, chosen) {
    this.place = place;
    this.chosen = chosen;
    this.lines = new Map();
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

  /** `ready` is readiness' document, `documents` the health by model: null where no key may see it. */
  show(ready, documents, current, now, may) {
    if (!ready && !documents) return;
    const names = [...new Set([...Object.keys(ready?.models ?? {}), ...Object.keys(documents ?? {})])].sort();
    if (names.length === 0) {
      const why = ready?.error ? `The service says: ${ready.error}.` : "Publish one, and it appears here.";
      this.place.replaceChildren(empty("No model is served", why));
      this.lines.clear();
      return;
    }
    for (const [name, line] of this.lines) {
      if (!names.includes(name)) {
        line.root.remove();
        this.lines.delete(name);
      }
    }
    if (this.lines.size === 0) this.place.replaceChildren();
    for (const name of names) {
      let line = this.lines.get(name);
      if (!line) {
        line = this.line(name);
        this.lines.set(name, line);
        this.place.append(line.root);
      }
      this.fill(line, name, ready?.models?.[name], documents?.[name], current === name, now, may);
    }
  }

  line(name) {
    const parts = {
      button: el("button", { type: "button", class: "card-name", onclick: () => this.chosen(name) }, name),
      version: el("span", { class: "version" }),
      badges: el("span", { class: "badges" }),
      words: el("p", { class: "headline-words" }),
      advice: el("p", { class: "advice", hidden: true }),
      trouble: el("p", { class: "trouble", hidden: true }),
      rate: el("span", { class: "rate" }),
      numbers: el("dl", { class: "facts" }),
      reason: el("p", { class: "muted reason" }),
    };
    parts.fold = el("details", { class: "fold" }, el("summary", {}, "Numbers"), parts.numbers, parts.reason);
    parts.root = el(
      "article",
      { class: "model" },
      el("header", {}, el("h3", {}, parts.button), parts.version, parts.badges, parts.rate),
      parts.words,
      parts.advice,
      parts.trouble,
      parts.fold,
    );
    parts.facts = new Map();
    for (const label of ["Last minute", "Largest effect", "Since", "Golden rows", "Provider"]) {
      const value = el("dd");
      parts.facts.set(label, value);
      parts.numbers.append(el("div", {}, el("dt", {}, label), value));
    }
    return parts;
  }

  fill(line, name, ready, document, current, now, may) {
    line.button.setAttribute("aria-pressed", String(current));
    line.root.classList.toggle("current", current);
    const version = document?.version ?? ready?.version;
    tell(line.version, version ? `version ${version}` : "no version");
    const badges = badgesOf(ready, document, may);
    const shown = JSON.stringify(badges);
    if (line.shown !== shown) line.badges.replaceChildren(...badges.map(([verdict, subject]) => badge(verdict, subject)));
    line.shown = shown;
    tell(line.words, wordsOf(ready, document, may) + begunWords(document));
    this.advise(line, document?.advice);
    const trouble = troubleOf(ready, document);
    if (line.told !== trouble) line.trouble.replaceChildren(icon("warn"), el("span", {}, trouble));
    line.told = trouble;
    line.trouble.hidden = !trouble;
    const rate = this.rate(name, document, now);
    tell(line.rate, rate === null ? "" : rate === 0 ? "no traffic now" : `${number(rate, 2)} rows/s`);
    line.fold.hidden = !document;
    if (document) this.numbers(line, ready, document, now);
  }

  advise(line, advice) {
    const told = advice ? `${advice.text}|${advice.runbook}` : "";
    line.advice.hidden = !advice;
    if (line.advised === told) return;
    line.advised = told;
    if (!advice) return;
    const section = advice.runbook?.split("#")[1];
    line.advice.replaceChildren(
      el("strong", {}, "What to do: "),
      `${sentence(advice.text)} `,
      section ? el("a", { href: `web/runbook.html#${section}` }, "Runbook") : "",
    );
  }

  numbers(line, ready, document, now) {
    const minute = document.windows?.["1m"];
    // A change that lasts is of the latest rows alone; a window may hold what came before it, too.
    const lasting = document.change && !document.change.ended ? document.change : null;
    const effect = lasting ?? (document.window ? document.windows?.[document.window] : null);
    const { integrity } = document;
    const checked = integrity?.checked_at ? ` ${ago(integrity.checked_at, now)}` : "";
    const golden = integrity?.ok === true ? `reproduced${checked}` : integrity?.ok === false ? `failed${checked}` : "–";
    const facts = {
      "Last minute": typeof minute?.rows === "number" ? plural(minute.rows, "row") : "–",
      "Largest effect": typeof effect?.effect === "number" ? `${number(effect.effect, 2)} sd` : "–",
      Since: document.since ? ago(document.since, now) : "–",
      "Golden rows": golden,
      Provider: ready?.provider ? ready.provider.replace("ExecutionProvider", "") : "–",
    };
    for (const [label, value] of Object.entries(facts)) tell(line.facts.get(label), value);
    const more = [
      document.reason,
      document.baseline && `against the baseline of ${plural(document.baseline.rows, "row")}, taken ${ago(document.baseline.taken_at, now)}`,
      document.baseline_error && `the baseline is ignored: ${document.baseline_error}`,
      document.rows_not_finite > 0 && `${plural(document.rows_not_finite, "row")} not finite`,
    ];
    tell(line.reason, more.filter(Boolean).map(sentence).join(" "));
  }
}

/** The model and the traffic, each by itself; one badge where only one thing is known. */
function badgesOf(ready, document, may) {
  if (document?.model_verdict) {
    const both = [[document.model_verdict, "Model"], [document.traffic_verdict, "Traffic"]];
    return document.traffic_verdict === "unwatched" ? [[document.verdict, null]] : both;
  }
  if (document) return [[document.verdict, null]];
  if (!may && ready?.ready) return [["answers", null]];
  return [["not_ready", null]];
}

function wordsOf(ready, document, may) {
  if (document) return headline(document);
  if (!ready?.ready) return "It cannot answer requests now.";
  return may ? "It answers; its health is told in a moment." : "It answers. Its health takes a key of scope “metrics”.";
}

function troubleOf(ready, document) {
  const integrity = document?.integrity;
  return [ready?.error, integrity?.ok === false && faultWords(integrity.fault), integrity?.files?.ok === false && integrity.files.error]
    .filter(Boolean)
    .map(sentence)
    .join(" ");
}

/** What the golden rows found different, with its place where it has one. */
function faultWords(fault) {
  if (!fault) return "the golden rows are not reproduced";
  return fault.message ?? `${fault.part ?? "a part"} of the model differs`;
}

/** Since when traffic or layers have moved, while they have. */
function begunWords(document) {
  const { began, ended } = document?.change ?? {};
  return began && !ended && ["degraded", "unhealthy"].includes(document.verdict) ? ` Since about ${clock(began)}.` : "";
}

/** What happened, in a few words. */
export function headline(document) {
  const words = document.headline || document.reason;
  return words ? sentence(words) : "";
}
