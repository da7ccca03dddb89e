// The playground of a model that takes numbers or a table's row: a form for one record, CSV for many.

import { Calls, Quantities } from "./answered.js";
import { TRIED, ask, post } from "./api.js";
import { readCsv, withHeader, writeCsv } from "./csv.js";
import { textBox } from "./dropping.js";
import { download, el, empty, failure, number, plural } from "./page.js";

const SHOWN = 200;
const MOST_FIELDS = 40;
const MOST_NAMES = 3;
const UNUSUAL = 0.05;
/** Made up: one like noise, one like a pulsar, one between. */
const CANDIDATES = [
  ["like noise", 115, 47, 0.2, 0.1, 3, 20, 8.5, 90],
  ["like a pulsar", 50, 36, 3.1, 13, 40, 58, 2.3, 5],
  ["in between", 92, 44, 0.8, 1.2, 9, 33, 4.6, 24],
];

export class TablePlayground {
  constructor(place, about) {
    this.about = about;
    this.kind = about.quantities ? new Quantities(about) : new Calls(about);
    this.names = about.columns.map((column) => column.name);
    this.output = el("div", { class: "results table", tabindex: "-1" });
    this.status = el("p", { class: "muted", role: "status" });
    this.input = textBox({
      id: `table-${about.model}`,
      label: about.model === "htru2" ? "Candidates" : "Records",
      hint: `CSV with the columns ${this.shortNames()}, in any order and among others. Without a header they are taken by position.`,
      placeholder: `${this.names.slice(0, 8).join(",")}\n…`,
      accept: ".csv,.txt,text/csv",
      problem: (text) => this.fail(new Error(text)),
      rows: 4,
    });
    this.run = el("button", { type: "submit", class: "button" }, "Predict and rank");
    const example = this.example();
    this.save = el("button", { type: "button", class: "button quiet", hidden: true, onclick: () => download(`${about.model}-v${this.version}.csv`, this.answer) }, "Download CSV");
    place.replaceChildren(
      el("form", { onsubmit: (event) => this.submit(event) }, this.input.box, el("div", { class: "actions" }, this.run, example && el("button", { type: "button", class: "button quiet", onclick: () => this.input.put(example) }, "Use an example"), this.save, this.status)),
      this.names.length <= MOST_FIELDS ? this.form() : "",
      this.output,
    );
    if (example) this.input.begin(example);
    this.output.append(empty(example ? "Three candidates are in the box: press Predict and rank" : "No record yet", `Results are ranked here ${this.kind.ranked}.`));
  }

  /** Records to try, where the model takes pulsar candidates. */
  example() {
    if (this.names.join() !== "profile_mean,profile_stdev,profile_skewness,profile_kurtosis,dm_mean,dm_stdev,dm_skewness,dm_kurtosis") return null;
    return writeCsv([["name", ...this.names], ...CANDIDATES]);
  }

  shortNames() {
    const rest = this.names.length - 8;
    return this.names.slice(0, 8).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
  }

  /** One record by hand. */
  form() {
    const fields = this.about.columns.map((column) => {
      const id = `field-${this.about.model}-${column.name}`;
      const shared = { id, name: column.name, required: !column.optional };
      let field;
      if (column.values?.length) {
        field = el("select", shared, column.optional && el("option", { value: "" }, "missing"), ...column.values.map((value) => el("option", { value }, value)));
      } else if (column.kind === "text") field = el("input", { ...shared, type: "text", autocomplete: "off" });
      else field = el("input", { ...shared, type: "number", step: "any", inputmode: "decimal", autocomplete: "off" });
      return el("label", { class: "field", for: id }, column.name, field);
    });
    this.single = el("div", { class: "single", role: "status" });
    return el(
      "details",
      { class: "by-hand" },
      el("summary", {}, "Type one record"),
      el(
        "form",
        { onsubmit: (event) => this.submitOne(event) },
        el("div", { class: "fields" }, ...fields),
        el("div", { class: "actions" }, el("button", { type: "submit", class: "button" }, "Predict this one")),
      ),
      this.single,
    );
  }

  async submitOne(event) {
    event.preventDefault();
    const form = new FormData(event.target);
    const record = {};
    for (const column of this.about.columns) {
      const value = form.get(column.name);
      record[column.name] = value === "" ? null : column.kind === "number" ? Number(value) : value;
    }
    try {
      const answer = await (await post("predict", { model: this.about.model, inputs: [record] }, { headers: TRIED })).json();
      const [result] = answer.results;
      if (result.status !== "ok") throw new Error(result.message);
      this.single.replaceChildren(
        ...this.kind.one(result),
        el("p", { class: "muted" }, `${typeof result.p_value === "number" ? `p-value ${number(result.p_value, 2)}` : "no p-value, as nothing inside this model is watched"}; ${this.kind.footnote()}.`),
      );
    } catch (error) {
      this.single.replaceChildren(failure(error));
    }
  }

  fail(error) {
    this.status.textContent = "";
    this.output.replaceChildren(failure(error));
  }

  async submit(event) {
    event.preventDefault();
    const typed = this.input.text();
    if (!typed.trim()) {
      this.fail(new Error("There is no table in the box. Paste one, or drop a file."));
      this.input.area.focus();
      return;
    }
    const { text, added } = withHeader(typed, this.names);
    this.run.disabled = true;
    this.status.textContent = "Asking…";
    try {
      const answer = await ask(`predict?model=${encodeURIComponent(this.about.model)}`, {
        method: "POST",
        body: text,
        headers: { "content-type": "text/csv", accept: "text/csv", ...TRIED },
      });
      this.answer = await answer.text();
      this.version = answer.headers.get("x-model-version") ?? this.about.version;
      this.show(added);
    } catch (error) {
      this.save.hidden = true;
      this.fail(error);
    } finally {
      this.run.disabled = false;
    }
  }

  /** Rank by the first target's number, what could not be read last. */
  show(added) {
    const [head, ...rows] = readCsv(this.answer);
    const at = new Map(head.map((name, place) => [name, place]));
    const { kind } = this;
    const cell = (row, name) => row[at.get(name)] ?? "";
    const known = rows.map((row, line) => ({ row, line: line + 1, score: kind.score((name) => cell(row, name)) ?? -Infinity }));
    const ranked = known.sort((one, other) => (one.score === other.score ? one.line - other.line : other.score - one.score));
    const bad = ranked.filter((one) => one.score === -Infinity).length;
    const counted = kind.counted(rows.map((row) => (name) => cell(row, name)));
    this.status.textContent =
      `${plural(rows.length, "record")} by ${this.about.model} version ${this.version}: ${counted}` +
      (bad ? `, ${bad.toLocaleString("en")} could not be read` : "") +
      (added ? "; columns were taken by position" : "") +
      (rows.length > SHOWN ? `; the first ${SHOWN} are shown` : "");
    this.save.hidden = false;
    const carried = head.filter((name) => !kind.added.test(name)).slice(0, 12);
    // What names a record stands beside its rank; what the model read of it comes last.
    const others = carried.filter((name) => !this.names.includes(name));
    const isNumber = (name) => rows.slice(0, 9).every((row) => cell(row, name).trim() !== "" && Number.isFinite(Number(cell(row, name))));
    const names = [...others.filter((name) => !isNumber(name)), ...others.filter(isNumber)].slice(0, MOST_NAMES);
    const inputs = carried.filter((name) => !names.includes(name));
    const shownCell = (row, name) => {
      const text = cell(row, name);
      return el("td", { class: text.trim() !== "" && Number.isFinite(Number(text)) ? "amount carried" : "carried" }, text);
    };
    const heading = (name, row) => el("th", { scope: "col", class: row !== undefined && Number.isFinite(Number(cell(row, name))) ? "amount" : null }, name);
    const body = ranked.slice(0, SHOWN).map(({ row, line }, rank) => {
      const fault = cell(row, "error");
      const shown = fault ? [el("td", { colspan: kind.span, class: "fault" }, fault)] : kind.cells((name) => cell(row, name));
      const p = cell(row, "p_value");
      return el(
        "tr",
        {},
        el("td", { class: "amount" }, fault ? "–" : `${rank + 1}`),
        el("td", { class: "amount" }, `${line}`),
        ...names.map((name) => shownCell(row, name)),
        ...shown,
        el("td", { class: p !== "" && Number(p) < UNUSUAL ? "amount odd" : "amount" }, p === "" ? "" : number(Number(p), 2)),
        ...inputs.map((name) => shownCell(row, name)),
      );
    });
    this.output.replaceChildren(
      el(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": "Ranked results" },
        el(
          "table",
          {},
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              el("th", { scope: "col" }, "Rank"),
              el("th", { scope: "col" }, "Line"),
              ...names.map((name) => heading(name, rows[0])),
              ...kind.heads(),
              el("th", { scope: "col" }, "p-value"),
              ...inputs.map((name) => heading(name, rows[0])),
            ),
          ),
          el("tbody", {}, ...body),
        ),
      ),
    );
  }
}
