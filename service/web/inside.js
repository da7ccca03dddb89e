// Inside one model: its last hour or day, where it departs, what it answers, and its layers now.

import { lineChart, css } from "./charts.js";
import { DEGRADED_AT, heatHeight, heatMap } from "./heat.js";
import { extent } from "./history.js";
import { LayersPart } from "./layers.js";
import { clock, el, empty, number, sentence, tell } from "./page.js";

/** An effect beyond this is drawn as this; the caption has its size. */
const MOST_EFFECT = 3;

const CHARTS = [
  {
    key: "effect",
    title: "How far traffic has moved",
    unit: `sd of the reference rows; more than ${MOST_EFFECT} is drawn as ${MOST_EFFECT}`,
    cuts: [{ at: 0.5, colour: "--warn" }, { at: 1, colour: "--bad" }],
    floor: 0,
    lines: [["largest", "--line-1"], ["inputs", "--line-2"]],
    values: (told) => [told.effect, told.inputs].map((column) => column.map((value) => (value === null ? null : Math.min(value, MOST_EFFECT)))),
    words: (told, at) => `${number(told.effect[at], 2)} sd, inputs ${number(told.inputs[at], 2)}${told.effect[at] > MOST_EFFECT ? " (beyond the chart)" : ""}`,
    none: "No rows came in this time.",
  },
  {
    key: "predictions",
    title: "What it answers",
    unit: "share, over all targets",
    floor: 0,
    lines: [["mean probability", "--line-1"], ["called", "--line-2"]],
    values: (told) => [average(told.targets.map((target) => target.probability)), average(told.targets.map((target) => target.called))],
    words: (_, at, [probability, called]) => `probability ${number(probability[at], 2)}, called ${percent(called[at])}`,
    none: "No rows came in this time.",
  },
  {
    key: "p-values",
    title: "Rows unlike the training's",
    unit: "share of p-values below 0.05",
    cuts: [{ at: 0.05, colour: "--wait" }],
    floor: 0,
    lines: [["below 0.05", "--line-1"]],
    values: (told) => [told.low_p_values],
    words: (told, at) => `${percent(told.low_p_values[at])}, 5 % expected`,
    none: "No rows came in this time.",
  },
  {
    key: "latency",
    title: "Latency",
    unit: "ms of a request",
    floor: 0,
    lines: [["half", "--line-1"], ["95 %", "--line-2"], ["99 %", "--line-3"]],
    values: (told) => [told.latency.p50, told.latency.p95, told.latency.p99].map((column) => column.map((value) => (value === null ? null : 1000 * value))),
    words: (told, at) => `half within ${milliseconds(told.latency.p50[at])}, 99 % within ${milliseconds(told.latency.p99[at])}`,
    none: "No request came in this time.",
  },
  {
    key: "traffic",
    title: "Traffic and load",
    unit: "rows a second; share of time",
    floor: 0,
    lines: [["rows a second", "--line-1"]],
    values: (told) => [told.rows_per_second],
    words: (told, at) => `${number(told.rows_per_second[at], 2)} rows/s, busy ${percent(told.load[at])}`,
    there: (told) => told.rows.some((value) => value > 0),
    none: "No rows came in this time.",
  },
  {
    key: "errors",
    title: "Errors",
    unit: "in each step",
    floor: 0,
    lines: [["requests refused", "--line-2"], ["records unreadable", "--line-4"]],
    values: (told) => [told.failed, told.rejected],
    words: (told, at) => `${told.failed[at]} requests, ${told.rejected[at]} records`,
    there: (told) => [...told.failed, ...told.rejected].some((value) => value > 0),
    none: "No request was refused, and every record was read.",
  },
];

export class InsidePanel {
  constructor(place, history) {
    this.place = place;
    this.history = history;
    this.built = null;
    this.charts = [];
    this.layers = new LayersPart(history, () => this.onchange?.());
  }

  show(name, document_, now) {
    if (!document_) {
      this.clear();
      this.place.replaceChildren(empty(name ? `${name} cannot be looked into` : "Waiting for the first document", "Its charts appear as soon as it answers."));
      return;
    }
    const told = this.history.of(name, now);
    if (this.built !== name) this.build(name);
    this.fill(told);
    this.layers.show(document_, told);
  }

  clear() {
    for (const { chart } of this.charts) chart.destroy();
    this.map?.destroy();
    this.map = null;
    this.charts = [];
    this.layers.clear();
    this.built = this.filled = null;
  }

  build(name) {
    this.clear();
    this.built = name;
    const spans = ["hour", "day"].map((span) =>
      el("button", { type: "button", class: "button quiet", "aria-pressed": String(this.history.span === span), onclick: () => this.choose(span) }, `Last ${span}`),
    );
    this.spans = spans;
    this.began = el("p", { class: "muted" });
    this.where = this.heat();
    this.grid = el("div", { class: "chart-grid" });
    this.figures = CHARTS.map((about) => this.figure(about));
    this.grid.append(...this.figures.map(({ root }) => root));
    this.quiet = el("div", { class: "quiet-time" });
    this.layersPlace = el("div");
    this.place.replaceChildren(
      el("div", { class: "controls" }, el("div", { class: "spans", role: "group", "aria-label": "Span of time" }, ...spans), this.began),
      this.quiet,
      this.where.root,
      this.grid,
      this.layersPlace,
    );
    this.layers.mount(this.layersPlace);
  }

  choose(span) {
    this.history.span = span;
    for (const [at, button] of this.spans.entries()) button.setAttribute("aria-pressed", String(["hour", "day"][at] === span));
    this.onchange?.();
  }

  heat() {
    const unit = el("span", { class: "unit now" }, "effect in sd, over time");
    const place = el("div", { class: "heat", role: "img" });
    const none = el("p", { class: "muted none" });
    const swatch = (kind, text) => el("li", {}, el("span", { class: `swatch cell ${kind}` }), text);
    const legend = el(
      "ul",
      { class: "legend", "aria-label": "Legend" },
      swatch("blank", "warming up, or no rows"),
      swatch("calm", "as usual"),
      swatch("warn", "0.5 sd: degraded"),
      swatch("bad", "1 sd: unhealthy"),
      el("li", {}, "Inputs coloured: look at the data. Inputs calm, network coloured: look at the model."),
    );
    return { unit, place, none, legend, root: el("figure", { class: "where" }, el("figcaption", {}, el("span", {}, "Where it departs"), unit), place, none, legend) };
  }

  figure(about) {
    const unit = el("span", { class: "unit now" }, about.unit);
    const place = el("div", { class: "chart", role: "img", "aria-label": about.title });
    const none = el("p", { class: "muted none" }, "Asking…");
    place.hidden = true;
    const legend = el("ul", { class: "legend small", "aria-hidden": "true" }, ...about.lines.map(([label, colour]) => el("li", {}, el("span", { class: `swatch ${colour.slice(2)}` }), label)));
    return { about, unit, place, none, legend, chart: null, root: el("figure", {}, el("figcaption", {}, el("span", {}, about.title), unit), place, none, legend) };
  }

  fill(told) {
    if (!told || this.filled === told) return;
    this.filled = told;
    const span = extent(told);
    const marks = told.events.map((event) => ({ at: Date.parse(event.at) / 1000, level: event.level }));
    tell(this.began, told.times.length ? `From ${clock(1000 * span[0])} to ${clock(1000 * span[1])}, over all workers.` : "The service has just begun; the first values come within five seconds.");
    // Where nothing came, one sentence says so, in place of a box for each chart.
    const quiet = ![told.rows, told.failed, told.rejected].some((column) => column.some((value) => value > 0));
    this.where.root.hidden = this.grid.hidden = quiet;
    this.quiet.replaceChildren(quiet ? empty("No traffic in this time", "The charts begin with the first request that is no example.") : "");
    if (quiet) return;
    this.fillHeat(told, span, marks);
    for (const figure of this.figures) this.fillFigure(figure, told, span, marks);
  }

  fillHeat(told, span, marks) {
    const { unit, place, none } = this.where;
    const rows = ["Inputs", "Network", ...told.layers.map(({ layer }) => `Layer ${layer}`)];
    const measured = [told.inputs, told.network, ...told.layers.map(({ effect }) => effect)];
    const there = told.layers.length > 0 && measured.some((column) => column.some((value) => value !== null));
    // Before there is a verdict nothing is coloured: so few rows tell of nothing.
    const columns = measured.map((column) => column.map((value, at) => (told.verdict[at] === "warming_up" ? null : value)));
    place.hidden = !there;
    none.hidden = there;
    tell(none, told.times.length ? "No rows came in this time, or nothing inside this model is watched." : "Asking…");
    if (!there) return;
    place.style.height = `${heatHeight(rows.length, true)}px`;
    const share = (at) => (at - span[0]) / (span[1] - span[0]);
    const cells = told.times.map((at, place_) => [Math.max(0, share(Math.max(at - told.seconds, told.times[place_ - 1] ?? 0))), share(at)]);
    this.map ??= heatMap(place, {
      pointed: (row, column) => {
        const known = this.shownHeat;
        tell(unit, row === null ? "effect in sd, over time" : `${known.rows[row]} at ${clock(1000 * known.times[column])}: ${number(known.columns[row][column], 2)} sd`);
      },
    });
    this.shownHeat = { rows, columns, times: told.times };
    this.map.set({ rows, columns: cells, value: (row, column) => columns[row][column], axis: ticks(span, share), marks: marks.map(({ at, level }) => ({ at: share(at), level })).filter(({ at }) => at >= 0 && at <= 1) });
    place.setAttribute("aria-label", heatWords(rows, columns, told));
  }

  fillFigure(figure, told, span, marks) {
    const { about, place, none, unit, legend } = figure;
    const values = about.values(told);
    const there = about.there ? about.there(told) : values.some((column) => column.some((value) => value !== null));
    place.hidden = !there;
    none.hidden = there;
    legend.hidden = !there;
    tell(none, told.times.length ? about.none : "The first values come within five seconds.");
    if (!there) return;
    figure.marks = marks;
    figure.told = told;
    if (!figure.chart) {
      figure.chart = lineChart(place, {
        series: about.lines.map(([label, colour]) => ({ label, colour: () => css(colour), points: false })),
        cuts: about.cuts,
        floor: about.floor,
        height: 140,
        marks: () => figure.marks,
        pointed: (at) => {
          const place_ = at === null ? -1 : figure.told.times.indexOf(at);
          tell(unit, place_ < 0 ? figure.last : `${clock(1000 * at)}: ${about.words(figure.told, place_, about.values(figure.told))}`);
        },
      });
      this.charts.push(figure);
    }
    const last = values[0].findLastIndex((value) => value !== null);
    figure.last = last < 0 ? about.unit : about.words(told, last, values);
    tell(unit, figure.last);
    place.setAttribute("aria-label", `${about.title}: ${figure.last}`);
    figure.chart.set(told.times, values, span);
  }
}

/** What a heat map shows, in one sentence for those who do not see it. */
function heatWords(rows, columns, told) {
  const red = rows.filter((_, row) => columns[row].some((value) => value >= DEGRADED_AT));
  if (red.length === 0) return `Where it departs: nothing has moved by ${DEGRADED_AT} sd or more.`;
  const first = Math.min(...columns.map((column) => column.findIndex((value) => value >= DEGRADED_AT)).filter((at) => at >= 0));
  return sentence(`Where it departs: ${red.join(", ")} moved by ${DEGRADED_AT} sd or more, first at ${clock(1000 * told.times[first])}`);
}

const STEPS = [60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600];

function ticks(span, share) {
  const step = STEPS.find((one) => (span[1] - span[0]) / one <= 7) ?? STEPS.at(-1);
  const found = [];
  for (let at = Math.ceil(span[0] / step) * step; at <= span[1]; at += step) found.push({ at: share(at), text: new Date(1000 * at).toTimeString().slice(0, 5) });
  return found;
}

function average(columns) {
  return (columns[0] ?? []).map((_, at) => {
    const known = columns.map((column) => column[at]).filter((value) => value !== null);
    return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
  });
}

function percent(value) {
  return typeof value === "number" ? `${number(100 * value, 2)} %` : "–";
}

function milliseconds(value) {
  return typeof value === "number" ? `${number(1000 * value, 2)} ms` : "–";
}
