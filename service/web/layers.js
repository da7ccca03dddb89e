// The layers of one model: a heat map of layers and members now, their means and variances, the theory.

import { css, lineChart } from "./charts.js";
import { heatHeight, heatMap } from "./heat.js";
import { extent } from "./history.js";
import { el, empty, number, sentence, tell } from "./page.js";

const STATISTICS = [
  ["mean", "Mean"],
  ["variance", "Variance"],
];

/** The theory's lines, by the names that a document may use for them. */
const THEORY = [
  ["fixed_point", "Fixed point", [2, 4]],
  ["map", "Map g", [8, 4]],
  ["covariance", "Map with covariance", [8, 3, 2, 3]],
];

export class LayersPart {
  constructor(history, changed) {
    this.history = history;
    this.changed = changed;
    this.theories = new Set();
    this.charts = [];
    this.seen = new Set();
    this.built = null;
    this.visible = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) this.seen.add(target);
        else this.seen.delete(target);
      }
      this.changed();
    }, { rootMargin: "600px" });
  }

  mount(place) {
    this.place = place;
  }

  clear() {
    for (const { chart } of this.charts) chart.destroy();
    this.map?.destroy();
    this.map = null;
    this.charts = [];
    this.visible.disconnect();
    this.seen.clear();
    this.built = null;
  }

  show(document_, told) {
    const members = document_.members ?? [];
    if (members.length === 0 || members[0].layers.length === 0) {
      this.clear();
      this.place.replaceChildren(empty("This model tells nothing of its layers", document_.reason ? sentence(document_.reason) : ""));
      return;
    }
    const layers = members[0].layers.length;
    const theories = THEORY.filter(([key]) => theoryOf(members[0].layers[0], key) !== null).map(([key]) => key);
    const live = members.some((member) => member.layers.some((layer) => typeof layer.mean === "number"));
    const wanted = [document_.model, document_.version, members.length, layers, live, theories, this.history.member, [...this.theories]].join("|");
    if (this.built !== wanted) this.build(document_, layers, theories, live, wanted);
    if (live) this.fill(document_, told);
  }

  build(document_, layers, theories, live, wanted) {
    const focused = document.activeElement?.id;
    const open = [...this.place.querySelectorAll("details[open]")].map(({ id }) => id);
    this.clear();
    this.built = wanted;
    const members = document_.members.length;
    if (this.history.member !== null && this.history.member >= members) this.history.member = null;
    const head = el("h3", {}, "Layers");
    if (!live) {
      this.place.replaceChildren(head, empty("No rows yet", "The layers are drawn as soon as traffic comes."));
      return;
    }
    this.place.replaceChildren(head, this.controls(members));
    const now = el("div", { class: "chart-grid wide" });
    now.append(this.heat(layers, members));
    for (const [key, label] of STATISTICS) now.append(this.figure(`${label} by layer, now`, "layer", key, null));
    this.place.append(now, this.legend());
    const grid = el("div", { class: "chart-grid" });
    this.place.append(fold("over-time", "Each layer over time", grid, open));
    for (let layer = 0; layer < layers; layer++) {
      for (const [key, label] of STATISTICS) grid.append(this.figure(`Layer ${layer + 1} · ${label.toLowerCase()}`, "time", key, layer));
    }
    this.place.append(fold("theory", "What theory says", this.theory(theories), open));
    this.table = el("tbody");
    const heads = ["Member", "Layer", "Mean", "reference", "Variance", "reference", "Saturated", "reference", "Effect (sd)", "Departure (sd)"];
    const table = el("table", {}, el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text)))), this.table);
    this.place.append(fold("numbers", "The same as numbers", el("div", { class: "scroll numbers", tabindex: "0", role: "region", "aria-label": "Statistics of every layer" }, table), open));
    if (focused) document.getElementById(focused)?.focus();
  }

  controls(members) {
    const choose = (event) => {
      this.history.member = event.target.value === "all" ? null : Number(event.target.value);
      this.changed();
    };
    const select = el(
      "select",
      { id: "member", onchange: choose },
      el("option", { value: "all" }, `All ${members} members`),
      ...Array.from({ length: members }, (_, member) => el("option", { value: member }, `Member ${member}`)),
    );
    select.value = String(this.history.member ?? "all");
    return el("div", { class: "controls" }, el("label", { class: "field", for: "member" }, "Members", select));
  }

  heat(layers, members) {
    this.told = "effect in sd, now";
    this.pointing = false;
    this.heatUnit = el("span", { class: "unit now" }, this.told);
    this.heatPlace = el("div", { class: "heat", role: "img", "aria-label": "Effect of each layer of each member now; the numbers are in the table below" });
    this.heatPlace.style.height = `${heatHeight(layers, false)}px`;
    queueMicrotask(() => {
      if (!this.heatPlace.isConnected) return;
      this.map = heatMap(this.heatPlace, {
        pointed: (row, column) => {
          this.pointing = row !== null;
          tell(this.heatUnit, row === null ? this.told : `member ${column}, layer ${row + 1}: ${number(this.effects[column][row], 2)} sd`);
        },
      });
      this.drawHeat(members);
    });
    return el("figure", {}, el("figcaption", {}, el("span", {}, "Layers × members"), this.heatUnit), this.heatPlace);
  }

  drawHeat(members) {
    if (!this.map || !this.effects) return;
    const rows = this.effects[0].map((_, layer) => `Layer ${layer + 1}`);
    const step = members > 12 ? 4 : 1;
    const axis = [];
    for (let member = 0; member < members; member += step) axis.push({ at: (member + 0.5) / members, text: member === 0 ? "member 0" : `${member}` });
    this.map.set({ rows, columns: members, value: (row, column) => this.effects[column][row], axis });
  }

  legend() {
    const entries = [
      el("li", {}, el("span", { class: "swatch line-1" }), this.history.member === null ? "members' average" : `member ${this.history.member}`),
      this.history.member === null ? el("li", {}, el("span", { class: "swatch live" }), "lowest to highest member") : "",
      el("li", {}, el("span", { class: "swatch band" }), el("span", {}, "reference", el("span", { class: "band-words" }))),
      ...THEORY.filter(([key]) => this.theories.has(key)).map(([key, label]) => el("li", {}, el("span", { class: `swatch theory ${key}` }), label.toLowerCase())),
    ];
    return el("ul", { class: "legend", id: "layers-legend", "aria-label": "Legend of the layers" }, ...entries);
  }

  theory(theories) {
    const toggles = THEORY.filter(([key]) => theories.includes(key)).map(([key, label]) =>
      el(
        "label",
        { class: "check" },
        el("input", {
          type: "checkbox",
          id: `theory-${key}`,
          checked: this.theories.has(key),
          onchange: (event) => {
            if (event.target.checked) this.theories.add(key);
            else this.theories.delete(key);
            this.changed();
          },
        }),
        label,
      ),
    );
    if (toggles.length === 0) return el("p", { class: "muted" }, "This version was published without the theory's lines.");
    const term = (name, text) => [el("dt", {}, name), el("dd", {}, text)];
    return el(
      "div",
      {},
      el("fieldset", {}, el("legend", {}, "Draw"), ...toggles),
      el(
        "dl",
        { class: "report" },
        ...term("Fixed point", "Mean 0 and variance 1, to which fresh SELU layers draw activations. Training leaves it in every healthy network. Nothing alarms on it."),
        ...term("Map g", "The paper's closed form, with this layer's own weights. It takes the units below as independent."),
        ...term("Map with covariance", "The same with the covariance of the layer below, which the weights have learned to use."),
      ),
      el("p", { class: "muted" }, "All are of the training's held-out rows, computed when the version was made."),
    );
  }

  figure(title, x, key, layer) {
    const place = el("div", { class: "chart", role: "img", "aria-label": `${title}; the numbers are in the table below` });
    const unit = el("span", { class: "unit now" });
    const line = (label, colour, more = {}) => ({ label, colour: () => css(colour), ...more });
    const series = [
      line("reference high", "--band-edge", { width: 1 }),
      line("reference low", "--band-edge", { width: 1 }),
      line("highest member", "--live-edge", { width: 0.75 }),
      line("lowest member", "--live-edge", { width: 0.75 }),
      ...THEORY.filter(([one]) => this.theories.has(one)).map(([one, label, dash]) => line(label, `--theory-${one}`, { dash, width: 2 })),
      line("average", "--line-1", { points: x === "layer", width: 2 }),
    ];
    const about = { place, key, layer, x, unit, chart: null };
    // uPlot measures its place, which has to be on the page by then; a closed fold has no width.
    about.draw = () => {
      about.chart = lineChart(place, {
        series,
        bands: [[0, 1], [2, 3]],
        x,
        height: x === "layer" ? 190 : 130,
        marks: () => this.marks ?? [],
        pointed: (at, values) => {
          unit.dataset.pointed = at === null ? "" : "yes";
          if (at !== null) unit.textContent = `${x === "layer" ? `layer ${at}` : new Date(at * 1000).toLocaleTimeString("en-GB")}: ${number(values.at(-1))}`;
        },
      });
      this.charts.push(about);
    };
    place.about = about;
    queueMicrotask(() => place.isConnected && this.visible.observe(place));
    return el("figure", {}, el("figcaption", {}, el("span", {}, title), unit), place);
  }

  fill(document_, told) {
    const chosen = this.history.member;
    const members = chosen === null ? document_.members : [document_.members[chosen]];
    // Before there is a verdict nothing is coloured: so few rows tell of no layer.
    const early = document_.verdict === "warming_up";
    this.effects = document_.members.map((member) => member.layers.map((layer) => (early ? null : larger(layer.effect, layer.departure))));
    this.told = early ? "grey: warming up" : "effect in sd, now";
    if (!this.pointing) tell(this.heatUnit, this.told);
    this.drawHeat(document_.members.length);
    this.marks = told ? told.events.map((event) => ({ at: Date.parse(event.at) / 1000, level: event.level })) : [];
    for (const node of this.place.querySelectorAll(".band-words")) tell(node, document_.members[0].layers[0].spread ? " ± 1 sd of its rows" : "");
    for (const place of this.seen) {
      const { about } = place;
      if (!about.chart && place.clientWidth > 0) about.draw();
      if (!about.chart) continue;
      if (about.x === "layer") this.profile(about, members);
      else if (told?.layers[about.layer]) this.course(about, members, told);
    }
    this.fillTable(document_, chosen);
  }

  /** One statistic over the layers at this moment. */
  profile({ chart, key, unit }, members) {
    const layers = members[0].layers.map((layer) => layer.layer);
    const bounds = layers.map((_, at) => band(members, at, key));
    const values = layers.map((_, at) => members.map((member) => member.layers[at][key]).filter((value) => typeof value === "number"));
    const of = (reduce) => values.map((known) => (known.length ? reduce(known) : null));
    chart.set(layers, [
      bounds.map(([, high]) => high),
      bounds.map(([low]) => low),
      of((known) => Math.max(...known)),
      of((known) => Math.min(...known)),
      ...this.lines((theory) => layers.map((_, at) => theoryMean(members, at, theory, key))),
      of(mean),
    ]);
    if (!unit.dataset.pointed) tell(unit, "by hidden layer");
  }

  /** One statistic of one layer over time. */
  course({ chart, key, layer, unit }, members, told) {
    const { times } = told;
    const flat = (value) => times.map(() => value);
    const [low, high] = band(members, layer, key);
    const column = told.layers[layer];
    chart.set(
      times,
      [
        flat(high),
        flat(low),
        column[`${key}_high`],
        column[`${key}_low`],
        ...this.lines((theory) => flat(theoryMean(members, layer, theory, key))),
        column[key],
      ],
      extent(told),
    );
    if (unit.dataset.pointed) return;
    const last = column[key].findLast((value) => value !== null);
    tell(unit, last === undefined ? "no rows" : `average ${number(last)}`);
  }

  lines(values) {
    return THEORY.filter(([key]) => this.theories.has(key)).map(([key]) => values(key));
  }

  fillTable(document_, chosen) {
    if (!this.table.closest("details").open && this.table.firstChild) return;
    const rows = [];
    document_.members.forEach((member, m) => {
      if (chosen !== null && chosen !== m) return;
      for (const layer of member.layers) {
        const reference = layer.reference ?? {};
        const cells = [layer.mean, reference.mean, layer.variance, reference.variance, layer.saturated, reference.saturated, layer.effect, layer.departure];
        rows.push(el("tr", {}, el("th", { scope: "row" }, `${m}`), el("td", {}, `${layer.layer}`), ...cells.map((value) => el("td", {}, number(value)))));
      }
    });
    this.table.replaceChildren(...rows);
  }
}

function fold(id, title, content, open) {
  return el("details", { class: "fold", id: `fold-${id}`, open: open.includes(`fold-${id}`) }, el("summary", {}, title), content);
}

/** A layer's effect or its departure, whichever is larger; null for neither. */
function larger(effect, departure) {
  return typeof effect === "number" ? Math.max(effect, departure ?? 0) : null;
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The reference's band over some members: from the lowest to the highest, each ± its spread. */
function band(members, layer, key) {
  let [low, high] = [Infinity, -Infinity];
  for (const member of members) {
    const { reference, spread } = member.layers[layer];
    const centre = reference?.[key];
    if (typeof centre !== "number") continue;
    // A variance is compared by its logarithm, so that its spread is a factor.
    const [below, above] =
      key === "variance"
        ? [centre * Math.exp(-(spread?.log_variance ?? 0)), centre * Math.exp(spread?.log_variance ?? 0)]
        : [centre - (spread?.[key] ?? 0), centre + (spread?.[key] ?? 0)];
    low = Math.min(low, below);
    high = Math.max(high, above);
  }
  return low <= high ? [low, high] : [null, null];
}

/** `{mean, variance}` that one of the theory's lines gives for a layer, or null. */
function theoryOf(layer, key) {
  const found = layer.theory?.[key];
  return found && typeof found.mean === "number" ? found : null;
}

function theoryMean(members, layer, theory, key) {
  const values = members.map((member) => theoryOf(member.layers[layer], theory)?.[key]).filter((value) => typeof value === "number");
  return values.length ? mean(values) : null;
}
