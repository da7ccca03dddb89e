// What has happened to the model that is looked into, as the service has kept it; and what is read out.

import { ago, clock, el, empty, icon, sentence, verdictWords } from "./page.js";
import { headline } from "./health.js";

const SHOWN = 40;
const ICONS = { ok: "ok", warn: "warn", bad: "bad", info: "info" };

export class EventsPanel {
  constructor(place, live) {
    this.place = place;
    this.live = live;
    this.verdicts = new Map();
    this.shown = "";
    this.draw(null);
  }

  /** Read out each verdict that turns; returns whether one has. */
  watch(documents) {
    let turned = false;
    for (const [name, document] of Object.entries(documents)) {
      const before = this.verdicts.get(name);
      this.verdicts.set(name, document.verdict);
      if (before === undefined || before === document.verdict) continue;
      turned = true;
      this.live.textContent = `${name}: ${verdictWords(before)} → ${verdictWords(document.verdict)}. ${headline(document)}`;
    }
    return turned;
  }

  /** `told` is a model's history, null before it is known. */
  draw(told) {
    const events = (told?.events ?? []).toReversed().slice(0, SHOWN);
    const shown = JSON.stringify(events);
    if (shown === this.shown && this.place.firstChild) return;
    this.shown = shown;
    if (events.length === 0) {
      this.place.replaceChildren(empty("Nothing has happened yet", "Changes of verdict, version, baseline and integrity are listed here."));
      return;
    }
    const entries = events.map((event) =>
      el(
        "li",
        {},
        el("time", { datetime: event.at, title: `${new Date(event.at).toLocaleString("en-GB")}, ${ago(event.at)}` }, clock(event.at)),
        el("span", { class: `mark ${event.level}` }, icon(ICONS[event.level] ?? "info")),
        el("div", {}, el("p", {}, sentence(event.text)), event.detail && el("p", { class: "muted" }, sentence(event.detail))),
      ),
    );
    this.place.replaceChildren(el("ol", { class: "events", reversed: true }, ...entries));
  }
}
