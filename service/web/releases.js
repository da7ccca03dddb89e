// The model's versions with what their gate said, and the release log: who had what served, and why.

import { askJson } from "./api.js";
import { ago, el, empty, failure, number, tell } from "./page.js";
import { sentence } from "./models.js";

const FRESH_MS = 30_000;
const LOGGED = 20;

const ACTIONS = {
  promote: "promoted",
  rollback: "rolled back",
  retire: "retired",
  hold: "held back by the gate",
  refuse: "refused by the service",
  serve: "served",
  load: "loaded",
  unload: "unloaded",
};

export class ReleasesPanel {
  constructor(place) {
    this.place = place;
    this.shown = "";
    this.asked = 0;
    document.addEventListener("snn-key-given", () => (this.asked = 0));
  }

  /** Ask again where the model or its version is another, and now and then. */
  async show(model, version, now) {
    const wanted = `${model}@${version}`;
    if (!model || (wanted === this.shown && now - this.asked < FRESH_MS)) return;
    const same = wanted === this.shown;
    this.shown = wanted;
    this.asked = now;
    try {
      const [all, log] = await Promise.all([
        askJson("admin/models"),
        askJson(`admin/log?limit=${LOGGED}&model=${encodeURIComponent(model)}`),
      ]);
      // Where nothing has changed, the place is left alone, with what is open in it.
      const told = JSON.stringify([all.models?.[model], log.entries]);
      if (this.shown !== wanted || (same && told === this.told)) return;
      this.told = told;
      this.draw(model, all.models?.[model], log.entries ?? []);
    } catch (error) {
      this.told = "";
      this.place.replaceChildren(failure(error));
    }
  }

  draw(model, about, entries) {
    if (!about || about.error || !about.versions?.length) {
      this.place.replaceChildren(empty("No version is known", about?.error ? sentence(about.error) : ""));
      return;
    }
    const report = el("div", { class: "gate", role: "status" });
    const rows = [...about.versions].sort((one, other) => other.version - one.version).map((one) => this.version(model, about, one, report));
    const head = ["Version", "Created", "Mean AUC", "Gate", "State", "Report"];
    this.place.replaceChildren(
      about.exemption ? el("p", { class: "failure" }, `Version ${about.wanted} serves in place of the champion ${about.champion}: ${about.exemption}.`) : "",
      el(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": `Versions of ${model}` },
        el("table", {}, el("thead", {}, el("tr", {}, ...head.map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, ...rows)),
      ),
      report,
      el("h3", {}, "Release log"),
      entries.length
        ? el("ol", { class: "log" }, ...entries.toReversed().map((entry) => this.entry(entry)))
        : el("p", { class: "muted" }, "Nothing was promoted or rolled back on this machine yet."),
    );
  }

  version(model, about, one, report) {
    const states = [one.version === about.serving && "serving", one.version === about.champion && "champion", (about.previous ?? []).includes(one.version) && "previous"].filter(Boolean);
    const gate = one.gate === true ? "passed" : one.gate === false ? "held back" : "–";
    const button = el(
      "button",
      { type: "button", class: "link", onclick: () => this.gate(model, one.version, report), "aria-label": `Gate's report of version ${one.version}` },
      "Show",
    );
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, `${one.version}`),
      one.error ? el("td", { colspan: 4, class: "fault" }, one.error) : null,
      ...(one.error
        ? []
        : [
            el("td", {}, one.created ? ago(one.created) : "–"),
            el("td", {}, number(one.mean_auc, 4)),
            el("td", { class: one.gate === false ? "fault" : null }, gate),
            el("td", {}, states.join(", ") || "–"),
          ]),
      el("td", {}, one.gate === null || one.gate === undefined ? "–" : button),
    );
  }

  async gate(model, version, place) {
    try {
      const report = await askJson(`admin/models/${encodeURIComponent(model)}/versions/${version}/gate`);
      place.replaceChildren(
        el("h3", {}, `What the gate found of version ${version}`),
        el("dl", { class: "report" }, ...lines(report).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
      );
    } catch (error) {
      place.replaceChildren(failure(error));
    }
  }

  entry({ at, action, before, after, by, why }) {
    const from = before === null || before === after ? "" : ` (before: ${before})`;
    const what = after === null ? `version ${before ?? "?"} ${ACTIONS[action] ?? action}` : `version ${after} ${ACTIONS[action] ?? action}${from}`;
    const time = el("time", { datetime: at, title: at });
    tell(time, ago(at));
    return el("li", {}, time, el("div", {}, el("p", {}, sentence(what)), el("p", { class: "muted" }, [by, why].filter(Boolean).join(" · "))));
  }
}

/** A report as lines of name and value, whatever its depth. */
function lines(value, name = "") {
  if (value === null || typeof value !== "object") return [[name || "value", typeof value === "number" ? number(value, 4) : String(value ?? "–")]];
  if (Array.isArray(value) && value.every((one) => one === null || typeof one !== "object")) {
    return [[name, value.map((one) => (typeof one === "number" ? number(one, 4) : String(one))).join(", ") || "–"]];
  }
  return Object.entries(value).flatMap(([key, one]) => lines(one, name ? `${name} · ${words(key)}` : words(key)));
}

function words(key) {
  return key.replaceAll("_", " ");
}
