// What a table's playground shows of a result: probabilities and calls, or a quantity and its interval.

import { bar } from "./molecules.js";
import { el, number } from "./page.js";

const DIGITS = 5;

/** Targets that are called: each has a bar, its probability and yes or no. */
export class Calls {
  constructor(about) {
    this.targets = about.targets;
    this.ranked = "by probability, the highest first";
    this.added = /^(probability_|call_|level_)|^p_value$|^error$/;
    this.span = 2 * this.targets.length;
  }

  /** A number to rank rows by; null of a row without one. `cell` gives a column's text. */
  score(cell) {
    const text = cell(`probability_${this.targets[0].name}`);
    return text === "" ? null : Number(text);
  }

  heads() {
    return this.targets.map((target) => el("th", { scope: "colgroup", colspan: 2 }, `${target.name}, called from ${target.threshold.toFixed(3)}`));
  }

  cells(cell) {
    return this.targets.flatMap((target) => {
      const probability = Number(cell(`probability_${target.name}`));
      return [el("td", { class: "bar-cell" }, bar(probability, target.threshold, this.called(cell, target))), el("td", { class: "amount probability" }, probability.toFixed(3))];
    });
  }

  called(cell, target) {
    return ["true", "1"].includes(cell(`call_${target.name}`).toLowerCase());
  }

  /** What is said of all rows. */
  counted(cells) {
    const called = cells.filter((cell) => this.called(cell, this.targets[0])).length;
    return `${called.toLocaleString("en")} called ${this.targets[0].name}`;
  }

  one(result) {
    return this.targets.map((target) =>
      el(
        "div",
        { class: "one-target" },
        el("strong", {}, target.name),
        bar(result.probability[target.name], target.threshold, result.call[target.name]),
        el("span", { class: "amount" }, result.probability[target.name].toFixed(3)),
        el("span", {}, result.call[target.name] ? "yes" : "no"),
      ),
    );
  }

  footnote() {
    return `called from ${this.targets.map((target) => target.threshold.toFixed(3)).join(", ")} on`;
  }
}

/** Targets that are numbers: each has its value and the interval that holds most new values. */
export class Quantities {
  constructor(about) {
    this.targets = about.quantities;
    this.ranked = "by value, the highest first";
    this.added = /^(value_|interval_)|^p_value$|^error$/;
    this.span = 2 * this.targets.length;
  }

  score(cell) {
    const text = cell(`value_${this.targets[0].name}`);
    return text === "" ? null : Number(text);
  }

  heads() {
    return this.targets.flatMap(({ name, unit, coverage }) => [
      el("th", { scope: "col" }, unit ? `${name} [${unit}]` : name),
      el("th", { scope: "col" }, `${Math.round(100 * coverage)} % interval`),
    ]);
  }

  cells(cell) {
    return this.targets.flatMap((target) => {
      const [value, low, high] = ["value", "interval_low", "interval_high"].map((part) => cell(`${part}_${target.name}`));
      return [el("td", { class: "amount" }, plain(value, target)), el("td", { class: "amount" }, `${plain(low, target)} to ${plain(high, target)}`)];
    });
  }

  counted() {
    return `ranked by ${this.targets[0].name}`;
  }

  one(result) {
    return this.targets.map((target) => {
      const [low, high] = result.interval[target.name];
      return el(
        "div",
        { class: "one-target" },
        el("strong", {}, target.name),
        el("span", { class: "amount" }, `${plain(result.value[target.name], target)}${target.unit ? ` ${target.unit}` : ""}`),
        el("span", {}, `${plain(low, target)} to ${plain(high, target)}`),
      );
    });
  }

  footnote() {
    return this.targets.map(({ name, coverage }) => `the interval of ${name} holds ${Math.round(100 * coverage)} % of new values`).join("; ");
  }
}

/** A value to a thousandth of the target's standard deviation, as far as that is known. */
function plain(value, { spread }) {
  const digits = spread > 0 ? Math.min(12, Math.max(0, 3 - Math.floor(Math.log10(spread)))) : null;
  return digits === null ? number(Number(value), DIGITS) : Number(value).toFixed(digits);
}
