// What there is to tell beside a molecule's probabilities: its domain, what is nearest, and why.

import { TRIED, askJson, post } from "./api.js";
import { el, failure, icon, number } from "./page.js";

const NEAREST = 3;
const NUMBERS = ["no", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve"];

const isDark = () => document.documentElement.dataset.theme === "dark";

/** How near the molecule is to what the model learned from; null of a model that cannot tell. */
export function domainLine(result) {
  const domain = result.domain;
  if (!domain) return null;
  if (result.measured) return el("p", { class: "domain" }, el("strong", {}, "Measured"), el("span", { class: "muted" }, ` ${measuredWords(result.measured)} (●, ○)`));
  const similarity = `similarity ${number(domain.similarity, 2)}`;
  if (domain.in_domain) return el("p", { class: "domain" }, el("strong", {}, "In the domain"), el("span", { class: "muted" }, ` ${similarity} to the nearest measured compound`));
  const why = (result.warnings ?? []).find(({ code }) => code === "outside_domain")?.message ?? similarity;
  return el("p", { class: "domain outside" }, icon("warn"), el("span", {}, el("strong", {}, "Outside the domain"), `: ${why}`));
}

/** A dot beside a call: what was measured of this very compound. */
export function measuredMark(active) {
  const words = active ? "measured active" : "measured inactive";
  return el("span", { class: "measured", role: "img", title: words, "aria-label": words }, active ? "●" : "○");
}

/** The sentence beside a result without an active assay. */
export function noneActive(targets) {
  const many = NUMBERS[targets.length] ?? String(targets.length);
  return `${many} assays measure what they measure: many poisons act in other ways and are active in none of them.`;
}

/** Buttons for the nearest compounds and for the atoms, and what they bring. */
export function more(about, result) {
  const output = el("div", { class: "more", role: "status" });
  const ask = (button, work) => async () => {
    button.disabled = true;
    output.replaceChildren(el("p", { class: "muted" }, "Asking…"));
    try {
      output.replaceChildren(...(await work()));
    } catch (error) {
      output.replaceChildren(failure(error));
    } finally {
      button.disabled = false;
    }
  };
  const target = el("select", { "aria-label": "Assay to explain" }, ...about.targets.map(({ name }) => el("option", { value: name }, name)));
  target.value = likeliest(about, result);
  const why = el("button", { type: "button", class: "button quiet" }, "Why");
  why.addEventListener("click", ask(why, () => explained(about, result, target.value)));
  const near = result.domain && el("button", { type: "button", class: "button quiet" }, "Nearest compounds");
  if (near) near.addEventListener("click", ask(near, () => nearest(about, result)));
  return el("div", { class: "explanation" }, el("div", { class: "actions" }, near, why, target), output);
}

/** The target whose probability is furthest above its threshold, or least below it. */
function likeliest(about, result) {
  const ratio = ({ name, threshold }) => result.probability[name] / Math.max(threshold, 1e-6);
  return about.targets.reduce((best, one) => (ratio(one) > ratio(best) ? one : best)).name;
}

async function nearest(about, result) {
  const body = { model: about.model, inputs: [result.smiles], nearest: NEAREST, applicability: "ignore" };
  const answer = await (await post("predict", body, { headers: TRIED })).json();
  return compounds(answer.results[0].nearest ?? []);
}

function compounds(found) {
  return [
    el("ol", { class: "nearest" }, ...found.map((compound) => {
      const place = el("div", { class: "picture" });
      draw(place, compound.smiles);
      return el("li", {}, place, el("p", {}, el("strong", {}, number(compound.similarity, 2)), ` ${measuredWords(compound.measured)}`), el("p", { class: "smiles muted" }, compound.smiles));
    })),
  ];
}

async function explained(about, result, target) {
  const body = { model: about.model, smiles: [result.smiles], target, nearest: 0, dark: isDark(), applicability: "ignore" };
  const answer = await askJson("explain", { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", ...TRIED } });
  const [one] = answer.results;
  if (one.status !== "ok") return [failure(new Error(one.message))];
  const place = el("div", { class: "picture" });
  if (one.svg) show(place, one.svg, `Atoms that ${target} comes from`);
  const without = one.needed && `Without the atoms that are joined by colour, the probability of ${target} is ${number(one.needed.probability_without, 2)} instead of ${number(one.probability, 2)}.`;
  const names = [...new Set(one.alerts.map(({ name }) => name))];
  return [
    place,
    el("p", {}, el("span", { class: "raises" }, "Orange"), " atoms raise the prediction of ", el("strong", {}, target), ", ", el("span", { class: "lowers" }, "blue"), " ones lower it."),
    without ? el("p", {}, without) : null,
    el("p", { class: "muted" }, names.length ? `Structural alerts: ${names.join(", ")}. An alert is a fact about the structure, no prediction.` : "No structural alert."),
  ].filter(Boolean);
}

function measuredWords(measured) {
  const names = Object.keys(measured);
  const active = names.filter((name) => measured[name]);
  if (names.length === 0) return "in no assay";
  const inactive = names.length - active.length;
  if (active.length === 0) return `inactive in ${names.length === 1 ? names[0] : `all ${names.length} assays that were measured`}`;
  return `active in ${active.join(", ")}${inactive ? `; inactive in ${inactive} others` : ""}`;
}

/** Draw a molecule; ``parent`` is what the model judged, drawn beside it where it is another. */
export async function draw(place, smiles, parent = null) {
  try {
    const answer = await post("molecule.svg", { smiles, dark: isDark(), ...(parent ? { parent } : {}) });
    show(place, await answer.text(), `Structure of ${smiles}`);
    return answer.headers.get("x-parent-differs") === "1";
  } catch (error) {
    place.replaceChildren(el("p", { class: "muted" }, error.message));
    return false;
  }
}

/** Show a picture by an address of its own: its text never becomes markup of the page. */
function show(place, svg, alt) {
  const address = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  const image = el("img", { src: address, alt, width: 320, height: 220 });
  image.addEventListener("load", () => URL.revokeObjectURL(address), { once: true });
  place.replaceChildren(image);
}
