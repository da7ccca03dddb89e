// The gate's report of one version as a table: each check, its result, and what it found.

import { ago, el, number, sentence } from "./page.js";

/** What each check asks, in the page's words. */
const CHECKS = {
  golden: "Golden rows",
  activations: "Activations",
  size: "Size",
  latency: "Latency",
  schema: "Takes what the champion takes",
  positives: "Enough rows of each class",
  comparable: "Can be compared",
  learned: "Better than chance",
  discrimination: "Ranks as well as the champion",
  calibration: "Calibration",
};

/** What each figure is, in the page's words; one that is not here is told by its own name. */
const FIGURES = {
  bytes: "bytes: this version, the champion",
  seconds_1: "seconds for 1 row: this version, the champion",
  seconds_256: "seconds for 256 rows: this version, the champion",
  variance: "variance of the layers, least and largest",
  familiar: "share of rows with a p-value of 0.01 or more",
  newly_refused: "what is refused now and was not",
  few: "targets with few rows of a class",
  low: "lower end",
  high: "upper end",
  mean_auc: "mean AUC",
  log_loss: "log-loss",
  base_rate_log_loss: "log-loss of the base rate",
  equal_passes: "share of equal challengers that pass",
  smallest_loss: "smallest loss that can be told",
};

export function gateReport(version, report) {
  const known = report && Array.isArray(report.checks);
  const head = el("h3", {}, `What the gate found of version ${version}`);
  if (!known) return [head, plain(report)];
  const result = (passed) => el("span", { class: passed ? "badge ok" : "badge warn" }, passed ? "passed" : "held back");
  const rows = report.checks.map((check) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, CHECKS[check.name] ?? words(check.name)),
      el("td", { "data-column": "Result" }, result(check.passed)),
      el("td", { "data-column": "Finding" }, el("div", {}, check.summary ? sentence(check.summary) : "–", check.figures ? figures(check.figures) : "")),
    ),
  );
  return [
    head,
    el("p", {}, result(report.passed), " ", report.reason ? sentence(report.reason) : ""),
    el("p", { class: "muted" }, `Compared with version ${report.champion ?? "none"}${report.at ? `, ${ago(report.at)}` : ""}.`),
    el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": `Checks of version ${version}` },
      el("table", { class: "gate-table stacking" }, el("thead", {}, el("tr", {}, ...["Check", "Result", "Finding"].map((text) => el("th", { scope: "col" }, text)))), el("tbody", {}, ...rows)),
    ),
  ];
}

function figures(value) {
  return el("details", { class: "fold small" }, el("summary", {}, "Figures"), plain(value));
}

function plain(value) {
  const told = lines(value);
  if (told.length === 0) return el("p", { class: "muted" }, "None.");
  return el("dl", { class: "report" }, ...told.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]));
}

/** A report as lines of name and value, whatever its depth. */
function lines(value, name = "") {
  if (value === null || typeof value !== "object") return [[name || "value", typeof value === "number" ? number(value, 4) : String(value ?? "–")]];
  if (Array.isArray(value) && value.every((one) => one === null || typeof one !== "object")) {
    return [[name, value.map((one) => (typeof one === "number" ? number(one, 4) : String(one))).join(", ") || "none"]];
  }
  if (name && Object.keys(value).length === 0) return [[name, "none"]];
  return Object.entries(value).flatMap(([key, one]) => lines(one, name ? `${name} · ${words(key)}` : words(key)));
}

function words(key) {
  return FIGURES[key] ?? key.replaceAll("_", " ");
}
