// The last hour or day of a model, as the service keeps it; asked for again while it is looked at.

import { askJson } from "./api.js";

const FRESH_MS = 10_000;

export class History {
  /** `changed()` is called when there is more to show. */
  constructor(changed) {
    this.changed = changed;
    this.span = "hour";
    this.member = null;
    this.known = new Map(); // by model, span and member
    this.asking = null;
    document.addEventListener("snn-key-given", () => this.known.clear());
  }

  /** What is known of a model, null before the first answer; asks where that is old or missing. */
  of(model, now) {
    if (!model) return null;
    const wanted = `${model}|${this.span}|${this.member ?? ""}`;
    const held = this.known.get(wanted);
    const old = !held || now - held.at > FRESH_MS;
    if (old && this.asking !== wanted && !(held && document.hidden)) this.ask(model, wanted, now);
    return held?.told ?? null;
  }

  /** Ask again at the next look: something has happened just now. */
  stale() {
    for (const held of this.known.values()) held.at = Math.min(held.at, Date.now() - FRESH_MS + 2500);
  }

  async ask(model, wanted, now) {
    this.asking = wanted;
    let told = this.known.get(wanted)?.told ?? null;
    try {
      const member = this.member === null ? "" : `&member=${this.member}`;
      told = await askJson(`health/activations/${encodeURIComponent(model)}/history?span=${this.span}${member}`);
    } catch {
      // The page says elsewhere that the service is not reached; what is known stays.
    }
    this.known.set(wanted, { at: now, told });
    if (this.asking === wanted) this.asking = null;
    this.changed();
  }
}

/**
 * The times that a chart shows, in seconds: from where the history begins, a minute at least, to now.
 * A service that has just begun would else show an hour of nothing.
 */
export function extent(told) {
  const until = Date.parse(told.until) / 1000;
  const first = (told.times[0] ?? until) - told.seconds;
  return [Math.max(Date.parse(told.since) / 1000, Math.min(first, until - (told.span === "hour" ? 60 : 3600))), until];
}
