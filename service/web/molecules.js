// The playground of a model that takes SMILES: each molecule drawn, with its probabilities.

import { TRIED, askJson, post } from "./api.js";
import { assayTold, levelOf } from "./assays.js";
import { readCsv, smilesColumn, writeCsv } from "./csv.js";
import { textBox } from "./dropping.js";
import { domainLine, draw, measuredMark, more, noneActive } from "./explanation.js";
import { download, el, empty, failure, icon, number, plural } from "./page.js";

const MOST = 1000;
const SHOWN = 100;
const SHOWN_COLUMNS = 4;
/** Fields of a result that are the model's; all others come from the table that was sent. */
const OWN = new Set(["smiles", "status", "message", "parent", "removed", "repaired", "warnings", "domain", "measured", "probability", "call", "p_value", "level", "suspect"]);
/** The end of each record of an SDF, or of its one molecule. */
const SDF = /^M {2}END\s*$/gm;
const EXAMPLES = ["CC(=O)Oc1ccccc1C(=O)O aspirin", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C caffeine", "CC(C)(c1ccc(O)cc1)c1ccc(O)cc1 bisphenol A"];

export class MoleculesPlayground {
  constructor(place, about) {
    this.about = about;
    this.results = [];
    this.output = el("div", { class: "results", tabindex: "-1" });
    this.status = el("p", { class: "muted", role: "status" });
    this.input = textBox({
      id: `smiles-${about.model}`,
      label: "Molecules",
      hint: `One SMILES a line, then a name if you like; at most ${MOST}. Files can be dropped here: .smi, SDF, or CSV and TSV with a column of SMILES.`,
      placeholder: "CCO ethanol",
      accept: ".smi,.smiles,.txt,.csv,.tsv,.sdf,.sd,.mol,text/plain,text/csv,text/tab-separated-values",
      problem: (text) => this.fail(new Error(text)),
      rows: 4,
    });
    this.run = el("button", { type: "submit", class: "button" }, "Predict");
    const example = el("button", { type: "button", class: "button quiet", onclick: () => this.input.put(EXAMPLES.join("\n")) }, "Use an example");
    this.save = el("button", { type: "button", class: "button quiet", hidden: true, onclick: () => this.download() }, "Download CSV");
    place.replaceChildren(
      el(
        "form",
        { onsubmit: (event) => this.submit(event) },
        this.input.box,
        el("div", { class: "actions" }, this.run, example, this.save, this.status),
      ),
      this.output,
    );
    this.input.area.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form.requestSubmit();
    });
    this.drawn = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) {
          this.drawn.unobserve(target);
          this.draw(target);
        }
      }
    }, { rootMargin: "300px" });
    document.addEventListener("snn-theme", () => {
      for (const picture of this.output.querySelectorAll(".picture.done")) this.draw(picture);
    });
    this.input.begin(EXAMPLES.join("\n"));
    this.output.append(empty("Three molecules are in the box: press Predict", "Each is drawn here with its probabilities, the thresholds and the calls."));
  }

  fail(error) {
    this.status.textContent = "";
    this.output.replaceChildren(failure(error));
  }

  async submit(event) {
    event.preventDefault();
    const text = this.input.text();
    const records = text.match(SDF);
    const column = records ? null : smilesColumn(text);
    const lines = records ?? (column === null ? molecules(text) : readCsv(text).slice(1));
    if (lines.length === 0) {
      this.fail(new Error("There is no molecule in the box. Type a SMILES, such as CCO."));
      this.input.area.focus();
      return;
    }
    if (lines.length > MOST) {
      this.fail(new Error(`${lines.length} molecules; this page takes ${MOST} at a time. Send larger files to /predict as CSV.`));
      return;
    }
    this.run.disabled = true;
    this.status.textContent = `Asking about ${plural(lines.length, "molecule")}…`;
    try {
      await (records ? this.askSdf(text) : column === null ? this.askList(lines) : this.askTable(text, column));
      this.show();
    } catch (error) {
      this.results = [];
      this.save.hidden = true;
      this.fail(error);
    } finally {
      this.run.disabled = false;
    }
  }

  async askList(lines) {
    const smiles = lines.map((line) => line.smiles);
    const answer = await (await post("predict", { model: this.about.model, smiles }, { headers: TRIED })).json();
    this.results = answer.results.map((result, at) => (lines[at].name ? { ...result, name: lines[at].name } : result));
    this.version = answer.model_info.version;
    this.columns = lines.some((line) => line.name) ? ["name"] : [];
    this.told = "";
  }

  async askTable(text, column) {
    await this.askFile(text, "text/csv", `&smiles_column=${encodeURIComponent(column)}`, column);
    this.told = `; SMILES are in the column ${column}${this.told}`;
  }

  async askSdf(text) {
    await this.askFile(text, "chemical/x-mdl-sdfile", "", "smiles");
  }

  /** Send a file as it is; `column` is the one that the answer has the SMILES in. */
  async askFile(text, type, options, column) {
    const answer = await askJson(`predict?model=${encodeURIComponent(this.about.model)}&result_columns=prefix${options}`, {
      method: "POST",
      body: text,
      headers: { "content-type": type, accept: "application/json", ...TRIED },
    });
    this.results = answer.results.map((result) => ({ ...result, smiles: result[column] }));
    this.version = answer.version;
    this.columns = [...new Set(answer.results.flatMap(Object.keys))].filter((name) => name !== column && !OWN.has(name));
    this.told = answer.error ? `; ${answer.error}` : "";
  }

  show() {
    const count = (status) => this.results.filter((result) => result.status === status).length;
    const bad = count("error");
    const foreign = count("not_applicable");
    this.status.textContent =
      `${plural(this.results.length, "molecule")} by ${this.about.model} version ${this.version}` +
      (bad ? `, ${bad} of them could not be read` : "") +
      (foreign ? `, ${foreign} of them cannot be judged` : "") +
      this.told +
      (this.results.length > SHOWN ? `; the first ${SHOWN} are shown` : "");
    this.save.hidden = false;
    const cards = this.results.slice(0, SHOWN).map((result) => this.card(result));
    this.output.replaceChildren(...cards);
    for (const picture of this.output.querySelectorAll(".picture[data-smiles]")) this.drawn.observe(picture);
  }

  card(result) {
    const named = this.columns.filter((name) => result[name]).slice(0, SHOWN_COLUMNS).map((name) => `${name} ${result[name]}`);
    const carried = named.length > 0 ? el("p", { class: "muted" }, named.join(", ")) : null;
    if (result.status !== "ok") {
      return el(
        "article",
        { class: "card molecule wrong" },
        el("h2", { class: "smiles" }, result.smiles ?? "?"),
        carried,
        el("p", { class: "failure" }, icon("bad"), el("span", {}, result.message)),
        result.parent && el("p", { class: "muted" }, `Its parent would be ${result.parent}.`),
      );
    }
    const picture = el("div", { class: "picture", "data-smiles": result.smiles, "data-parent": result.parent });
    const known = typeof result.p_value === "number"; // null of a model without taps
    const told = ({ code }) => code !== "repaired" && code !== "outside_domain";
    const called = Object.values(result.call).filter(Boolean).length;
    return el(
      "article",
      { class: "card molecule" },
      el(
        "div",
        { class: "molecule-head" },
        picture,
        el("figure", { class: "parent", hidden: true }, el("div", { class: "picture" }), el("figcaption", { class: "muted" }, `Judged as ${result.parent}`)),
        el("h2", { class: "smiles" }, result.smiles),
        carried,
        result.removed && el("p", { class: "muted" }, `Judged without ${result.removed.join(", ")}.`),
        result.repaired && el("p", { class: "muted" }, `Mended: ${result.repaired}.`),
        ...(result.warnings ?? []).filter(told).map(({ message }) => el("p", { class: "failure" }, icon("warn"), el("span", {}, message))),
        domainLine(result),
        el(
          "p",
          { class: "p-value" },
          el("span", {}, known ? `p-value ${number(result.p_value, 2)}` : "no p-value"),
          el("span", { class: "muted" }, known ? " of its activations: small where they are unusual, for whatever reason" : " nothing inside this model is watched"),
        ),
      ),
      el(
        "table",
        { class: "assays" },
        el("caption", {}, called ? `${plural(called, "assay")} called active` : `No assay called active. ${noneActive(this.about.targets)}`),
        el("thead", { class: "visually-hidden" }, el("tr", {}, ...["Assay", "Probability and threshold", "Probability", "Call"].map((head) => el("th", { scope: "col" }, head)))),
        el("tbody", {}, ...this.about.targets.map((target) => this.assay(target, result))),
      ),
      more(this.about, result),
    );
  }

  assay(target, result) {
    const probability = result.probability[target.name];
    const active = result.call[target.name];
    const measured = result.measured?.[target.name];
    return el(
      "tr",
      { class: active ? "active" : null },
      el("th", { scope: "row", title: assayTold(target) }, target.name),
      el("td", { class: "bar-cell" }, bar(probability, target.threshold, active)),
      el("td", { class: "amount" }, probability.toFixed(3)),
      el("td", { class: "call" }, levelOf(target, result), measured === undefined ? null : measuredMark(measured)),
    );
  }

  async draw(place) {
    place.classList.add("done");
    const { smiles, parent } = place.dataset;
    const figure = place.parentElement.querySelector(".parent");
    figure.hidden = !(await draw(place, smiles, parent));
    if (!figure.hidden) await draw(figure.firstElementChild, parent);
  }

  download() {
    const names = this.about.targets.map((target) => target.name);
    const near = this.results.some((result) => result.domain);
    const levels = this.results.some((result) => result.level);
    const suspect = this.results.some((result) => result.suspect);
    const head = ["smiles", "status", "parent", "removed", "repaired", "warnings", ...(near ? ["similarity", "in_domain"] : []), ...names.map((name) => `probability_${name}`), ...names.map((name) => `call_${name}`), ...(levels ? names.map((name) => `level_${name}`) : []), "p_value", ...(suspect ? ["suspect"] : []), "error"];
    const carried = this.columns.map((name) => (head.includes(name) ? `input_${name}` : name));
    const rows = this.results.map((result) => [
      ...this.columns.map((name) => result[name]),
      result.smiles,
      result.status,
      result.parent,
      result.removed?.join("."),
      result.repaired,
      result.warnings?.map(({ code, message }) => `${code}: ${message}`).join(" | "),
      ...(near ? [result.domain?.similarity, result.domain?.in_domain] : []),
      ...names.map((name) => result.probability?.[name]),
      ...names.map((name) => result.call?.[name]),
      ...(levels ? names.map((name) => result.level?.[name]) : []),
      result.p_value,
      ...(suspect ? [result.status === "ok" ? Boolean(result.suspect) : undefined] : []),
      result.message,
    ]);
    download(`${this.about.model}-v${this.version}.csv`, writeCsv([[...carried, ...head], ...rows]));
  }
}

/** A list's lines as `{smiles, name}`, without a header. */
function molecules(text) {
  return text.split(/[\r\n]+/).map((line) => parts(line.trim())).filter(({ smiles }) => smiles && !/^#?smiles$/i.test(smiles));
}

/** A line's notation and the name after it; only an InChI has commas of its own. */
function parts(line) {
  const end = line.search(line.startsWith("InChI=") ? /\s/ : /[\s,;]/);
  if (end < 0) return { smiles: line, name: "" };
  return { smiles: line.slice(0, end), name: line.slice(end).replace(/^[\s,;]+/, "") };
}

/** A probability as a bar, with a tick at the threshold. */
export function bar(probability, threshold, active) {
  const name = (tag, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  const node = name("svg", { class: active ? "bar active" : "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": `probability ${probability.toFixed(3)}, threshold ${threshold.toFixed(3)}` });
  node.append(
    name("rect", { class: "bar-ground", x: 0, y: 1, width: 100, height: 8, rx: 1 }),
    name("rect", { class: "bar-fill", x: 0, y: 1, width: Math.max(0.5, 100 * probability), height: 8, rx: 1 }),
    name("rect", { class: "bar-tick", x: Math.min(99, 100 * threshold) - 0.4, y: 0, width: 0.9, height: 10 }),
  );
  return node;
}

