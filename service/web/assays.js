// An assay's result: its level in words, and what the assay measures and its cut-offs are worth, on hover.

import { number } from "./page.js";

/** The level of a result, or whether it is called by an older version. */
export function levelOf(target, result) {
  const level = result.level?.[target.name];
  if (level) return level === "low" ? "–" : level;
  return result.call[target.name] ? "active" : "–";
}

/** What is known of an assay, in a few lines. */
export function assayTold(target) {
  const lines = [];
  if (target.assay) lines.push(`${target.assay.measures}: active is ${target.assay.mode}; ${target.assay.cells} cells, ${target.assay.readout}`);
  if (target.measured) lines.push(`${target.measured.toLocaleString("en")} compounds measured, ${target.positive.toLocaleString("en")} active${target.auc ? `; AUC ${figure(target.auc)}` : ""}`);
  for (const [name, rates] of [["active", target.call], ["elevated", target.elevated]]) {
    if (rates) lines.push(`${name} from ${number(rates.threshold, 2)} on: precision ${figure(rates.precision)}, recall ${figure(rates.recall)}`);
  }
  return lines.join("\n") || null;
}

function figure({ value, interval }) {
  return interval ? `${number(value, 2)} (${interval.map((end) => number(end, 2)).join(" to ")})` : number(value, 2);
}
