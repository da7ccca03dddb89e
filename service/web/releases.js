// The model's versions with what their gate said, steps for who may take them, and the release log.

import { closed } from "./access.js";
import { askJson, post } from "./api.js";
import { gateReport } from "./gate.js";
import { ago, el, empty, failure, number, sentence, tell } from "./page.js";

const FRESH_MS = 30_000;
const LOGGED = 20;

const COLUMNS = ["Version", "Created", "Figure", "Gate", "State", "Report"];

const ACTIONS = {
  promote: "promoted",
  rollback: "rolled back",
  retire: "retired",
  hold: "held back by the gate",
  refuse: "refused by the service",
  serve: "served",
  trial: "put on trial",
  drop: "serves alone after a trial",
  load: "loaded",
  unload: "unloaded",
};

/** The one figure of a version: of classes their mean AUC, of a quantity the part of variance predicted. */
function figure({ mean_auc: auc, r2 }) {
  if (typeof r2 === "number") return `R² ${number(r2, 4)}`;
  return typeof auc === "number" ? `mean AUC ${number(auc, 4)}` : "–";
}

export class ReleasesPanel {
  constructor(place, access) {
    this.place = place;
    this.access = access;
    this.shown = "";
    this.asked = 0;
    document.addEventListener("snn-key-given", () => (this.asked = 0));
  }

  /** Ask again where the model, its version or the keys are others, and now and then. */
  async show(model, version, now) {
    const may = this.access.may("metrics");
    const wanted = `${model}@${version}|${may}|${this.mayChange}`;
    if (!model || (wanted === this.shown && now - this.asked < FRESH_MS)) return;
    const same = wanted === this.shown;
    this.shown = wanted;
    this.asked = now;
    if (!may) {
      this.told = "";
      this.place.replaceChildren(closed("Releases", "metrics"));
      return;
    }
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

  /** A service without keys lets nobody change anything over HTTP. */
  get mayChange() {
    return this.access.needed && this.access.may("admin");
  }

  draw(model, about, entries) {
    if (!about || about.error || !about.versions?.length) {
      this.place.replaceChildren(empty("No version is known", about?.error ? sentence(about.error) : ""));
      return;
    }
    this.below = el("div", { class: "gate", role: "status" });
    const rows = [...about.versions].sort((one, other) => other.version - one.version).map((one) => this.version(model, about, one));
    const head = [...COLUMNS, ...(this.mayChange ? ["Change"] : [])];
    const before = (about.previous ?? [])[0];
    this.place.replaceChildren(
      about.exemption ? el("p", { class: "trouble" }, `Version ${about.wanted} serves in place of the champion ${about.champion}: ${about.exemption}.`) : "",
      el(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": `Versions of ${model}` },
        el("table", { class: "stacking" }, el("thead", {}, el("tr", {}, ...head.map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, ...rows)),
      ),
      this.mayChange
        ? before === undefined
          ? el("p", { class: "muted" }, "There is no version before this one to roll back to.")
          : el("div", { class: "actions" }, el("button", { type: "button", class: "button quiet", onclick: () => this.confirm(model, "rollback", before, about.champion) }, `Roll back to version ${before}`))
        : el("p", { class: "muted" }, this.access.needed ? "To promote or roll back takes a key of scope “admin”." : "This service runs without keys, so that nothing can be changed here."),
      this.below,
      el("h3", {}, "Release log"),
      entries.length
        ? el("ol", { class: "log" }, ...entries.toReversed().map((entry) => this.entry(entry)))
        : el("p", { class: "muted" }, "Nothing was promoted or rolled back on this machine yet."),
    );
  }

  version(model, about, one) {
    const states = [one.version === about.serving && "serving", one.version === about.champion && "champion", one.version === about.challenger && "on trial", (about.previous ?? []).includes(one.version) && "previous"].filter(Boolean);
    const gate = one.gate === true ? "passed" : one.gate === false ? "held back" : "–";
    const report = el("button", { type: "button", class: "link", onclick: () => this.gate(model, one.version), "aria-label": `Gate's report of version ${one.version}` }, "Show");
    const promote = el("button", { type: "button", class: "link", onclick: () => this.confirm(model, "promote", one.version), "aria-label": `Promote version ${one.version}` }, "Promote");
    // On a phone each cell is a line of its own, and names its column.
    const cell = (column, attributes, content) => el("td", { "data-column": column, ...attributes }, content);
    return el(
      "tr",
      {},
      el("th", { scope: "row", "data-column": COLUMNS[0] }, `${one.version}`),
      ...(one.error
        ? [cell("Fault", { colspan: 4, class: "fault" }, one.error)]
        : [
            cell("Created", {}, one.created ? ago(one.created) : "–"),
            cell(COLUMNS[2], {}, figure(one)),
            cell("Gate", { class: one.gate === false ? "fault" : null }, gate),
            cell("State", {}, states.join(", ") || "–"),
          ]),
      cell("Report", {}, one.gate === null || one.gate === undefined ? "–" : report),
      this.mayChange ? cell("Change", {}, one.error || one.version === about.champion ? "–" : promote) : null,
    );
  }

  /** Ask why before a step is taken: the release log keeps it. A rollback names what it replaces. */
  confirm(model, step, version, replaced = version) {
    const why = el("input", { id: "why", type: "text", maxlength: 1000, autocomplete: "off", required: true });
    const words = step === "promote" ? `Promote version ${version} of ${model}` : `Roll ${model} back to version ${version}`;
    const form = el(
      "form",
      {
        class: "confirm",
        onsubmit: (event) => {
          event.preventDefault();
          this.take(model, step, replaced, why.value);
        },
      },
      el("label", { class: "field", for: "why" }, `${words}. Why?`, why),
      el("div", { class: "actions" }, el("button", { type: "submit", class: "button" }, step === "promote" ? "Promote" : "Roll back"), el("button", { type: "button", class: "button quiet", onclick: () => this.below.replaceChildren() }, "Cancel")),
    );
    this.below.replaceChildren(form);
    why.focus();
  }

  async take(model, step, version, why) {
    try {
      const answer = await (await post(`admin/models/${encodeURIComponent(model)}/${step}`, { version, why })).json();
      this.below.replaceChildren(el("p", {}, `Version ${answer.champion} is the champion now; it serves as soon as it is loaded.`, answer.warning ? ` ${sentence(answer.warning)}` : ""));
      this.asked = 0;
    } catch (error) {
      this.below.replaceChildren(failure(error));
    }
  }

  async gate(model, version) {
    try {
      const report = await askJson(`admin/models/${encodeURIComponent(model)}/versions/${version}/gate`);
      this.below.replaceChildren(...gateReport(version, report));
    } catch (error) {
      this.below.replaceChildren(failure(error));
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
