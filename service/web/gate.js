// The gate's report of one version as a table: each check, its result, and what it found.

import { ago, el, number, sentence } from "./page.js";

/** What each check asks, in the page's words. */
const CHECKS = {
  golden: "Golden rows",
  activations: "Activations",
  size: "Size",
  latency: "Latency",
  learned: "Better than chance",
  discrimination: "Ranks as well as the champion",
  calibration: "Calibration",
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
      el("td", {}, result(check.passed)),
      el("td", {}, check.summary ? sentence(check.summary) : "–", check.figures ? figures(check.figures) : ""),
    ),
  );
  return [
    head,
    el("p", {}, result(report.passed), " ", report.reason ? sentence(report.reason) : ""),
    el("p", { class: "muted" }, `Compared with version ${report.champion ?? "none"}${report.at ? `, ${ago(report.at)}` : ""}.`),
    el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": `Checks of version ${version}` },
      el("table", { class: "gate-table" }, el("thead", {}, el("tr", {}, ...["Check", "Result", "Finding"].map((text) => el("th", { scope: "col" }, text)))), el("tbody", {}, ...rows)),
    ),
  ];
}

function figures(value) {
  return el("details", { class: "fold small" }, el("summary", {}, "Figures"), plain(value));
}

function plain(value) {
  return el("dl", { class: "report" }, ...lines(value).flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]));
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
