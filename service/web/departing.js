// The sequential detector, what came with each API key, and the requests whose rows are furthest off.

import { ago, count, el, empty, number, plural } from "./page.js";

const SHOWN = 5;
const MOST_CLIENTS = 8;

export class DepartingPanel {
  constructor(place) {
    this.place = place;
    this.shown = "";
  }

  show(document_, now) {
    const watched = document_ && document_.verdict !== "unwatched";
    const parts = watched ? [...detector(document_.sequential, now), ...clients(document_), ...rows(document_.departing ?? document_.departing_rows, now)] : [];
    // What is read or selected is not taken away each second.
    const shown = parts.map((part) => part.textContent).join("\n");
    const known = shown || String(watched);
    if (known === this.shown && this.place.firstChild) return;
    this.shown = known;
    const [title, text] =
      document_ && !watched
        ? ["Nothing inside this model is watched", "No detector runs, and no row can be told from any other."]
        : ["Nothing to show yet", "This version tells neither of a detector nor of single rows."];
    this.place.replaceChildren(...(parts.length ? parts : [empty(title, text)]));
  }
}

function detector(told, now) {
  if (!told) return [];
  // Both are logarithms; evidence that shrinks is none.
  const level = told.threshold > 0 ? Math.min(1, Math.max(0, (told.level ?? 0) / told.threshold)) : 0;
  const fact = (label, value) => el("div", {}, el("dt", {}, label), el("dd", {}, value));
  const alarm = told.alarm
    ? el("p", { class: "odd" }, `Alarm ${told.alarm.at ? ago(told.alarm.at, now) : ""}${told.alarm.where ? `: ${told.alarm.where}` : ""}.`)
    : null;
  return [
    el("p", {}, `It finds lasting departures beyond ${number(told.delta)} sd. By chance it alarms once in ${count(told.requests_per_false_alarm)} requests at most.`),
    el(
      "div",
      { class: "evidence" },
      el("span", { class: "muted" }, "Evidence so far, up to an alarm"),
      el("meter", { min: 0, max: 1, value: level, "aria-label": `${Math.round(100 * level)} % of the way to an alarm` }),
    ),
    el("dl", { class: "facts" }, fact("Requests judged", count(told.requests)), fact("Alarms", count(told.alarms))),
    el("p", { class: "muted" }, "It judges requests some fifteen seconds after they came."),
    alarm,
  ].filter(Boolean);
}

/** What came with each API key since traffic moved or last had; nothing where there are no keys. */
function clients(document_) {
  const told = Array.isArray(document_.clients) ? document_.clients : [];
  if (told.length === 0) return [];
  const lasting = document_.change && !document_.change.ended;
  const total = told.reduce((sum, one) => sum + one.rows, 0);
  const amount = (text) => el("td", { class: "amount" }, text);
  const line = (one) =>
    el(
      "tr",
      one.key !== null && one.key === document_.client ? { class: "odd" } : {},
      el("td", { class: "id" }, one.key ?? "others"),
      amount(total ? `${Math.round((100 * one.rows) / total)} %` : "–"),
      amount(one.rows ? `${Math.round((100 * one.departing) / one.rows)} %` : "–"),
      amount(typeof one.effect === "number" ? `${number(one.effect, 2)} sd` : "–"),
    );
  const heads = ["Rows", "Stand out", "Effect"].map((text) => el("th", { scope: "col", class: "amount" }, text));
  return [
    el("h3", {}, "By API key"),
    el("p", { class: "muted" }, lasting ? "Rows since traffic moved. Of usual rows, 2 % stand out." : "The latest rows. Of usual rows, 2 % stand out."),
    el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Traffic by API key" },
      el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Client"), ...heads)), el("tbody", {}, ...told.slice(0, MOST_CLIENTS).map(line))),
    ),
  ];
}

function rows(told, now) {
  if (!Array.isArray(told)) return [];
  const head = el("h3", {}, "Requests furthest from the reference");
  if (told.length === 0) return [head, el("p", { class: "muted" }, "No row of the last hour stands out.")];
  const cells = (row) =>
    typeof row === "string"
      ? [el("td", { class: "id" }, row)]
      : [el("td", { class: "id" }, row.request_id ?? row.id ?? "?"), el("td", { class: "amount" }, number(row.p_value, 2)), el("td", { class: "amount" }, row.at ? ago(row.at, now) : "–")];
  return [
    head,
    el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": `${plural(Math.min(SHOWN, told.length), "request")} furthest from the reference` },
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Request"), el("th", { scope: "col", class: "amount" }, "p-value"), el("th", { scope: "col", class: "amount" }, "When"))),
        el("tbody", {}, ...told.slice(0, SHOWN).map((row) => el("tr", {}, ...cells(row)))),
      ),
    ),
  ];
}
