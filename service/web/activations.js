// Inside one model: every layer's mean and variance per member, beside the reference and the theory.

import { lineChart, memberColour } from "./charts.js";
import { ago, badge, el, empty, number, plural, tell } from "./page.js";
import { headline, sentence } from "./models.js";

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

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class ActivationsPanel {
  constructor(place, history) {
    this.place = place;
    this.history = history;
    this.member = "all";
    this.theories = new Set();
    this.built = null; // what the charts were made for
    this.charts = [];
    this.seen = new Set();
    this.visible = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) this.seen.add(target);
        else this.seen.delete(target);
      }
      this.onchange?.();
    }, { rootMargin: "200px" });
  }

  show(name, document_, now) {
    if (!document_) {
      this.clear();
      this.place.replaceChildren(
        empty(name ? `${name} cannot be looked into` : "Waiting for the first document", "Its activations appear as soon as it answers."),
      );
      return;
    }
    const members = document_.members ?? [];
    if (members.length === 0 || members[0].layers.length === 0) {
      this.clear();
      this.place.replaceChildren(empty("This model tells nothing of its layers", document_.reason ? sentence(document_.reason) : ""));
      return;
    }
    const layers = members[0].layers.length;
    const theories = THEORY.filter(([key]) => theoryOf(members[0].layers[0], key) !== null).map(([key]) => key);
    const wanted = [name, document_.version, members.length, layers, theories, this.member, [...this.theories]].join("|");
    if (this.built !== wanted) this.build(document_, layers, theories, wanted);
    this.fill(document_, now);
  }

  clear() {
    for (const { chart } of this.charts) chart.destroy();
    this.charts = [];
    this.visible.disconnect();
    this.seen.clear();
    this.built = null;
  }

  build(document_, layers, theories, wanted) {
    const focused = document.activeElement?.id;
    this.clear();
    this.built = wanted;
    const members = document_.members.length;
    this.count = members;
    if (this.member !== "all" && this.member >= members) this.member = "all";
    this.headline = el("div", { class: "headline" });
    this.place.replaceChildren(this.headline, this.controls(members, theories));
    this.place.append(this.legend());
    if (theories.length) this.place.append(explanation());

    const profiles = el("div", { class: "chart-grid wide" });
    this.place.append(el("h3", {}, "Across the layers, now"), profiles);
    for (const [key, label] of STATISTICS) profiles.append(this.figure(`${label} of the activations`, "layer", key, null));
    const grid = el("div", { class: "chart-grid" });
    this.place.append(el("h3", {}, "Layer by layer, since this page was opened"), grid);
    for (let layer = 0; layer < layers; layer++) {
      for (const [key, label] of STATISTICS) grid.append(this.figure(`Layer ${layer + 1} · ${label.toLowerCase()}`, "time", key, layer));
    }
    this.table = el("tbody");
    this.place.append(
      el(
        "details",
        { class: "numbers" },
        el("summary", {}, "The same as numbers"),
        el(
          "div",
          { class: "scroll", tabindex: "0", role: "region", "aria-label": "Statistics of every layer" },
          el(
            "table",
            {},
            el("thead", {}, el("tr", {}, ...["Member", "Layer", "Mean", "reference", "Variance", "reference", "Saturated", "reference", "Effect (sd)", "Departure (sd)"].map((head) => el("th", { scope: "col" }, head)))),
            this.table,
          ),
        ),
      ),
    );
    if (focused) document.getElementById(focused)?.focus();
  }

  controls(members, theories) {
    const again = (change) => {
      change();
      this.onchange?.();
    };
    const select = el(
      "select",
      { id: "member", onchange: (event) => again(() => (this.member = event.target.value === "all" ? "all" : Number(event.target.value))) },
      el("option", { value: "all" }, "All members"),
      ...Array.from({ length: members }, (_, member) => el("option", { value: member }, `Member ${member}`)),
    );
    select.value = String(this.member);
    const toggles = THEORY.filter(([key]) => theories.includes(key)).map(([key, label]) =>
      el(
        "label",
        { class: "check" },
        el("input", {
          type: "checkbox",
          id: `theory-${key}`,
          checked: this.theories.has(key),
          onchange: (event) => again(() => (event.target.checked ? this.theories.add(key) : this.theories.delete(key))),
        }),
        label,
      ),
    );
    return el(
      "div",
      { class: "controls" },
      el("label", { class: "field", for: "member" }, "Show", select),
      toggles.length
        ? el("fieldset", {}, el("legend", {}, "Theory"), ...toggles)
        : el("p", { class: "muted" }, "This version was published without the theory's lines."),
    );
  }

  legend() {
    const entries = this.memberList().map((member) => el("li", {}, el("span", { class: `swatch line-${(member % 6) + 1}` }), `member ${member}`));
    entries.push(el("li", {}, el("span", { class: "swatch band" }), el("span", {}, "reference", el("span", { class: "band-words" }))));
    for (const [key, label] of THEORY) {
      if (this.theories.has(key)) entries.push(el("li", {}, el("span", { class: `swatch theory ${key}` }), label.toLowerCase()));
    }
    return el("ul", { class: "legend", "aria-label": "Legend" }, ...entries);
  }

  memberList() {
    return this.member === "all" ? Array.from({ length: this.count }, (_, member) => member) : [this.member];
  }

  figure(title, x, key, layer) {
    const place = el("div", { class: "chart", role: "img", "aria-label": `${title}; the numbers are in the table below` });
    const series = [
      { label: "high", colour: () => css("--band-edge"), width: 1 },
      { label: "low", colour: () => css("--band-edge"), width: 1 },
      ...THEORY.filter(([one]) => this.theories.has(one)).map(([one, label, dash]) => ({ label, dash, colour: () => css(`--theory-${one}`), width: 2 })),
      ...this.memberList().map((member) => ({ label: `member ${member}`, colour: () => memberColour(member), points: x === "layer" })),
    ];
    // uPlot measures its place, which has to be on the page by then.
    queueMicrotask(() => {
      if (!place.isConnected) return;
      const unit = place.parentElement.querySelector(".now");
      const chart = lineChart(place, {
        series,
        bands: [[0, 1]],
        x,
        height: x === "layer" ? 200 : 130,
        pointed: (at, values) => {
          unit.dataset.pointed = at === null ? "" : "yes";
          if (at === null) unit.textContent = x === "layer" ? "by hidden layer" : "";
          else unit.textContent = `${x === "layer" ? `layer ${at}` : new Date(at * 1000).toLocaleTimeString("en-GB")}: ${extent(values.slice(2 + this.theories.size))}`;
        },
      });
      this.charts.push({ chart, place, key, layer, x });
      this.visible.observe(place);
    });
    return el("figure", {}, el("figcaption", {}, el("span", {}, title), x === "layer" ? el("span", { class: "unit now" }, "by hidden layer") : el("span", { class: "unit now" })), place);
  }

  fill(document_, now) {
    const window = document_.window ? windowWords(document_.window) : "since the start";
    const place = document_.first_departing;
    const facts = [
      document_.model_verdict && `model ${document_.model_verdict}`,
      document_.traffic_verdict && `traffic ${document_.traffic_verdict.replaceAll("_", " ")}`,
      document_.since && `since ${ago(document_.since, now)}`.replace("since ", "for ").replace(" ago", ""),
      `statistics of the ${window === "since the start" ? "time since the start" : window}`,
      document_.origin && `origin: ${document_.origin}`,
      place && `first departing: member ${place.member}, layer ${place.layer}`,
      document_.baseline && `against the baseline of ${plural(document_.baseline.rows, "row")} taken ${ago(document_.baseline.taken_at, now)}`,
      document_.baseline_error && `the baseline is ignored: ${document_.baseline_error}`,
      document_.rows_not_finite > 0 && `${plural(document_.rows_not_finite, "row")} not finite`,
    ].filter(Boolean);
    if (!this.headline.firstChild) {
      this.headline.append(el("span"), el("div", {}, el("p", { class: "reason" }), el("p", { class: "muted" })));
    }
    const [verdict, words] = this.headline.children;
    if (this.headline.dataset.verdict !== document_.verdict) {
      verdict.replaceChildren(badge(document_.verdict));
      this.headline.dataset.verdict = document_.verdict;
    }
    tell(words.children[0], [headline(document_), document_.advice?.text].filter(Boolean).join(" "));
    const numbers = document_.headline && document_.reason ? [document_.reason] : [];
    tell(words.children[1], [...numbers, ...facts].join(" · "));
    const spread = document_.members[0].layers[0].spread;
    for (const node of this.place.querySelectorAll(".band-words")) tell(node, spread ? " ± 1 sd of its rows" : "");

    const held = this.history.of(document_.model);
    const members = this.memberList();
    for (const one of this.charts) {
      if (!this.seen.has(one.place)) continue;
      if (one.x === "layer") this.profile(one, document_, members);
      else if (held) this.course(one, document_, members, held);
    }
    this.fillTable(document_);
  }

  /** One statistic over the layers at this moment. */
  profile({ chart, key }, document_, members) {
    const layers = document_.members[0].layers.map((layer) => layer.layer);
    const bounds = layers.map((_, at) => band(document_, members, at, key));
    chart.set(layers, [
      bounds.map(([, high]) => high),
      bounds.map(([low]) => low),
      ...this.lines((theory) => layers.map((_, at) => theoryMean(document_, members, at, theory, key))),
      ...members.map((member) => document_.members[member].layers.map((layer) => layer[key])),
    ]);
  }

  /** One statistic of one layer over time. */
  course({ chart, key, layer, place }, document_, members, held) {
    const { times } = held;
    const flat = (value) => times.map(() => value);
    const [low, high] = band(document_, members, layer, key);
    chart.set(times, [
      flat(high),
      flat(low),
      ...this.lines((theory) => flat(theoryMean(document_, members, layer, theory, key))),
      ...members.map((member) => held.statistics[key][layer]?.[member] ?? flat(null)),
    ]);
    const values = members.map((member) => document_.members[member].layers[layer][key]).filter((value) => value !== null);
    const mean = values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
    const unit = place.parentElement.querySelector(".now");
    if (unit.dataset.pointed) return;
    tell(unit, mean === null ? "no rows yet" : `${values.length > 1 ? "average " : ""}${number(mean)}`);
  }

  lines(values) {
    return THEORY.filter(([key]) => this.theories.has(key)).map(([key]) => values(key));
  }

  fillTable(document_) {
    if (!this.table.closest("details").open && this.table.firstChild) return;
    const rows = [];
    document_.members.forEach((member, m) => {
      if (this.member !== "all" && this.member !== m) return;
      for (const layer of member.layers) {
        const reference = layer.reference ?? {};
        const cells = [layer.mean, reference.mean, layer.variance, reference.variance, layer.saturated, reference.saturated, layer.effect, layer.departure];
        rows.push(el("tr", {}, el("th", { scope: "row" }, `${m}`), el("td", {}, `${layer.layer}`), ...cells.map((value) => el("td", {}, number(value)))));
      }
    });
    this.table.replaceChildren(...rows);
  }
}

export function windowWords(name) {
  return { "1m": "last minute", "10m": "last ten minutes", "1h": "last hour", start: "since the start" }[name] ?? name;
}

/** What the theory's lines are, for whoever wonders why nothing alarms on them. */
function explanation() {
  const term = (name, text) => [el("dt", {}, name), el("dd", {}, text)];
  return el(
    "details",
    { class: "explain" },
    el("summary", {}, "What the theory's lines say"),
    el(
      "dl",
      { class: "report" },
      ...term("Fixed point", "Mean 0 and variance 1, to which SELU layers of fresh, normalised weights draw activations. Training leaves it, in every healthy network: distance to it is drawn, and never alarmed on."),
      ...term("Map g", "What the paper's closed form gives for each unit from the mean and variance of the layer below, with this layer's own weights, as if the units below were independent."),
      ...term("Map with covariance", "The same with the covariance of the layer below, which the weights have learned to use."),
    ),
    el("p", { class: "muted" }, "All are of the training's held-out rows, computed once, when the version was made."),
  );
}

/** One number, or the lowest and the highest of several. */
function extent(values) {
  const known = values.filter((value) => typeof value === "number");
  if (known.length === 0) return "no rows";
  const [low, high] = [Math.min(...known), Math.max(...known)];
  return known.length === 1 ? number(low) : `${number(low)} to ${number(high)}`;
}

/** The reference's band over some members: from the lowest to the highest, each ± its spread. */
function band(document_, members, layer, key) {
  let [low, high] = [Infinity, -Infinity];
  for (const member of members) {
    const { reference, spread } = document_.members[member].layers[layer];
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

function theoryMean(document_, members, layer, theory, key) {
  const values = members.map((member) => theoryOf(document_.members[member].layers[layer], theory)?.[key]).filter((value) => typeof value === "number");
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}
