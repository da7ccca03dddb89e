// What has happened: changes of verdict, version, integrity and connection. Kept for this tab.

import { clock, el, empty, icon, verdictWords } from "./page.js";
import { faultWords, sentence } from "./models.js";

const KEY = "snn-events";
const MOST = 200;

export class EventsPanel {
  constructor(place, live) {
    this.place = place;
    this.live = live;
    this.known = new Map();
    this.events = [];
    try {
      this.events = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    } catch {
      // A tab without storage begins anew.
    }
    this.draw();
  }

  /** Compare each model with what was known of it. */
  watch(documents, now) {
    for (const [name, document] of Object.entries(documents)) {
      const before = this.known.get(name);
      const integrity = document.integrity?.ok ?? null;
      const alarms = document.sequential?.alarms ?? null;
      this.known.set(name, { verdict: document.verdict, version: document.version, integrity, alarms });
      if (!before) {
        const kept = this.events.find((event) => event.model === name && event.verdict);
        if (kept?.verdict !== document.verdict) {
          this.add(kind(document.verdict), `${verdictWords(document.verdict)} when this page was opened`, name, document.headline || document.reason, now, document.verdict);
        }
        continue;
      }
      if (before.version !== document.version) {
        this.add("info", `Version ${document.version} serves in place of ${before.version}`, name, null, now);
      }
      if (before.verdict !== document.verdict) {
        const words = `${verdictWords(before.verdict)} → ${verdictWords(document.verdict)}`;
        this.add(kind(document.verdict), words, name, document.headline || document.reason, now, document.verdict);
      }
      if (alarms !== null && before.alarms !== null && alarms > before.alarms && before.version === document.version) {
        this.add("warn", "The detector raised an alarm", name, document.sequential.alarm?.where, now);
      }
      if (before.integrity !== integrity && before.integrity !== null) {
        this.add(integrity ? "ok" : "bad", integrity ? "Golden rows reproduced again" : "Golden rows not reproduced", name, integrity ? null : faultWords(document.integrity.fault), now);
      }
    }
    for (const name of this.known.keys()) {
      if (!(name in documents)) {
        this.known.delete(name);
        this.add("bad", "No longer answers", name, null, now);
      }
    }
  }

  connection(state, now) {
    if (this.state && this.state !== state) {
      if (state === "lost") this.add("wait", "Connection to the service lost", null, null, now);
      else this.add("info", "Connected again", null, null, now);
    }
    this.state = state;
  }

  add(shape, words, model, reason, now, verdict = null) {
    this.events.unshift({ at: now, shape, words, model, reason, verdict });
    this.events.length = Math.min(this.events.length, MOST);
    try {
      sessionStorage.setItem(KEY, JSON.stringify(this.events));
    } catch {
      // As above.
    }
    if (verdict) this.live.textContent = `${model}: ${words}. ${reason ? sentence(reason) : ""}`;
    this.draw();
  }

  draw() {
    if (this.events.length === 0) {
      this.place.replaceChildren(empty("Nothing has happened yet", "Changes of verdict, version and integrity are listed here."));
      return;
    }
    this.place.replaceChildren(
      el(
        "ol",
        { class: "events", reversed: true },
        ...this.events.map((event) =>
          el(
            "li",
            {},
            el("time", { datetime: new Date(event.at).toISOString(), title: new Date(event.at).toLocaleString("en-GB") }, clock(event.at)),
            el("span", { class: `mark ${event.shape}` }, icon(event.shape)),
            el("div", {}, el("p", {}, event.model && el("strong", {}, `${event.model} `), event.words), event.reason && el("p", { class: "muted" }, sentence(event.reason))),
          ),
        ),
      ),
    );
  }
}

function kind(verdict) {
  return { healthy: "ok", degraded: "warn", unhealthy: "bad" }[verdict] ?? "wait";
}
