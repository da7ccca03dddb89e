// A challenger beside its champion, on the same rows: who answers, how far apart they are, what is wrong.

import { askJson } from "./api.js";
import { el, number, sentence } from "./page.js";

const FRESH_MS = 5000;

export class TrialPanel {
  constructor(place) {
    this.place = place;
    this.asked = 0;
    this.shown = null;
  }

  /** Ask now and then, while a model is looked at; a service without trials, or no trial, shows nothing. */
  async show(model, may, now) {
    if (!model || !may) {
      this.place.hidden = true;
      return;
    }
    if (model === this.shown && now - this.asked < FRESH_MS) return;
    this.shown = model;
    this.asked = now;
    let told = null;
    try {
      told = await askJson(`health/trials/${encodeURIComponent(model)}`);
    } catch {
      // An older service has no such route; that the service cannot be reached is said elsewhere.
    }
    if (model !== this.shown) return;
    this.place.hidden = !told || (!told.challenger && !told.error);
    if (!this.place.hidden) this.draw(told);
  }

  draw(told) {
    const { champion, challenger, concordance } = told;
    if (!challenger) {
      this.place.replaceChildren(el("h3", {}, "Trial"), el("p", { class: "trouble" }, sentence(told.error)));
      return;
    }
    const how = told.kind === "canary" ? `answers ${number(100 * told.share, 3)} % of the requests${told.sticky ? ", by key" : ""}` : "is computed in the shadow and answers nothing";
    const row = (name, value) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value(champion)), el("td", {}, value(challenger)));
    const targets = [...told.targets].sort((one, other) => other.gap - one.gap).slice(0, 12);
    this.place.replaceChildren(
      el("h3", {}, `Trial of version ${challenger.version}`),
      el("p", {}, `Version ${challenger.version} ${how}; ${told.rows} rows were computed by both${told.shed ? `, ${told.shed} were left out for want of time` : ""}.${told.auto ? " It is promoted or dropped by itself." : ""}`),
      told.fault
        ? el("p", { class: "trouble" }, `At fault: ${told.fault}.`)
        : el("p", { class: "muted" }, told.rows || told.waits ? `No fault is found.${told.waits ? ` Not promoted by itself: ${told.waits}.` : ""}` : "No row was compared yet."),
      el(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": "Champion and challenger" },
        el(
          "table",
          { class: "numbers" },
          el("thead", {}, el("tr", {}, el("td", {}), el("th", { scope: "col" }, `Champion ${champion.version}`), el("th", { scope: "col" }, `Challenger ${challenger.version}`))),
          el(
            "tbody",
            {},
            row("Activations, same rows", (one) => (one.verdict ?? "–").replace("_", " ")),
            row("Effect, sd", (one) => number(one.effect, 2)),
            row("Processor, µs a row", (one) => (one.seconds_per_row === null ? "–" : number(1e6 * one.seconds_per_row, 3))),
            row("Requests answered", (one) => `${one.requests}`),
            row("Of a request, ms", (one) => (one.mean_seconds === null ? "–" : number(1e3 * one.mean_seconds, 3))),
            row("Requests failed", (one) => `${one.failed}`),
          ),
        ),
      ),
      concordance ? el("p", {}, `Concordance of the answers ${number(concordance.value, 3)} (${number(concordance.low, 3)} to ${number(concordance.high, 3)}); 1 is equal.`) : "",
      targets.length && told.rows
        ? el(
            "div",
            { class: "scroll", tabindex: "0", role: "region", "aria-label": "Targets" },
            el(
              "table",
              { class: "numbers" },
              el("thead", {}, el("tr", {}, ...["Target", "Mean gap", "Largest", "Other calls"].map((name) => el("th", { scope: "col" }, name)))),
              el("tbody", {}, ...targets.map((one) => el("tr", {}, el("th", { scope: "row" }, one.name), el("td", {}, number(one.gap, 3)), el("td", {}, number(one.largest, 3)), el("td", {}, `${one.called}`)))),
            ),
          )
        : "",
    );
  }
}
