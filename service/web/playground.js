// The playground: a tab for each served model, of the kind that its records want.

import { closed } from "./access.js";
import { askJson } from "./api.js";
import { el, empty, failure } from "./page.js";
import { MoleculesPlayground } from "./molecules.js";
import { TablePlayground } from "./tables.js";

const RETRY_MS = 5000;

export class Playground {
  /** `chosen(name)` is told which model's tab was pressed. */
  constructor(place, access, chosen) {
    this.place = place;
    this.access = access;
    this.onchosen = chosen;
    this.served = "";
    this.again = 0; // when a request that failed may be made again
    this.current = null;
    document.addEventListener("snn-key-given", () => (this.again = 0));
  }

  /** Told which versions serve, and the tab to show; forms are made anew where versions have changed. */
  async serve(versions, current) {
    this.current = current;
    this.show();
    if (!this.access.may("predict")) {
      this.tabs = null;
      this.shape = this.served = "";
      this.place.replaceChildren(closed("Asking", "predict"));
      return;
    }
    const served = JSON.stringify(versions);
    if (served === this.served || Date.now() < this.again) return;
    this.served = served;
    if (Object.keys(versions).length === 0) {
      this.tabs = null;
      this.place.replaceChildren(empty("No model answers yet", "Its form appears as soon as one does."));
      return;
    }
    try {
      const { models } = await askJson("models");
      this.build(models);
    } catch (error) {
      this.served = "";
      this.again = Date.now() + RETRY_MS;
      if (!this.tabs) this.place.replaceChildren(failure(error));
    }
  }

  /** Tabs keep what was typed where the model's form is the same as before. */
  build(models) {
    const shape = JSON.stringify(models.map(({ model, columns, targets }) => [model, columns, targets]));
    if (this.tabs && shape === this.shape) return;
    this.shape = shape;
    this.tabs = models.map((about) => {
      const panel = el("div", { role: "tabpanel", id: `panel-${about.model}`, "aria-labelledby": `tab-${about.model}`, tabindex: "-1" });
      panel.append(el("p", { class: "muted" }, about.description));
      const body = el("div");
      panel.append(body);
      if (about.columns === null) new MoleculesPlayground(body, about);
      else new TablePlayground(body, about);
      const tab = el("button", { type: "button", role: "tab", id: `tab-${about.model}`, "aria-controls": `panel-${about.model}`, onclick: () => this.onchosen(about.model) }, about.model);
      return { name: about.model, tab, panel };
    });
    const list = el("div", { role: "tablist", "aria-label": "Models", class: "tabs", onkeydown: (event) => this.move(event) }, ...this.tabs.map(({ tab }) => tab));
    this.place.replaceChildren(list, ...this.tabs.map(({ panel }) => panel));
    this.show();
  }

  /** A model that does not answer has no tab: then the first is shown. */
  show() {
    if (!this.tabs) return;
    const shown = this.tabs.find(({ name }) => name === this.current) ?? this.tabs[0];
    for (const one of this.tabs) {
      const { tab, panel } = one;
      const on = one === shown;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      panel.hidden = !on;
    }
  }

  move(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = this.tabs.findIndex(({ panel }) => !panel.hidden);
    const next = this.tabs[(at + step + this.tabs.length) % this.tabs.length];
    this.onchosen(next.name);
    next.tab.focus();
  }
}
