// The inputs: which raw features moved most, and how far the traffic as a whole is from training's.

import { el, empty, number, windowWords } from "./page.js";

const SHOWN = 12;

export class InputsPanel {
  constructor(place) {
    this.place = place;
    this.shown = "";
  }

  show(name, document_) {
    if (!document_) {
      this.shown = "";
      this.place.replaceChildren(empty("Nothing to show yet", "The features appear with the model's first document."));
      return;
    }
    const { features, effect, told } = read(document_.inputs);
    const lasting = document_.change && !document_.change.ended;
    const of = lasting ? ", since the change began" : document_.window ? ` in the ${windowWords(document_.window)}` : "";
    if (!told || features.length === 0) this.shown = "";
    if (!told) {
      this.place.replaceChildren(
        document_.verdict === "unwatched"
          ? empty("Nothing inside this model is watched", "Its graph has no taps, and without them its inputs are not judged either.")
          : empty("This version watches no inputs", "Its bundle was published without a reference of the features. The layers above still tell of its traffic."),
      );
      return;
    }
    if (features.length === 0) {
      this.place.replaceChildren(
        empty("No feature has moved", effect === null ? "Features are listed here when traffic departs from training's." : `The inputs as a whole: ${number(effect, 2)} sd.`),
      );
      return;
    }
    const shown = JSON.stringify([name, features, effect, of]);
    if (shown === this.shown) return;
    this.shown = shown;
    const most = Math.max(1, ...features.map((feature) => Math.abs(feature.effect ?? 0)));
    this.place.replaceChildren(
      effect === null ? "" : el("p", { class: "muted" }, `The inputs as a whole have moved by ${number(effect, 2)} sd of the reference rows${of}.`),
      el(
        "ol",
        { class: "features" },
        ...features.slice(0, SHOWN).map((feature) => {
          const meter = el("meter", { min: 0, max: most, value: Math.abs(feature.effect ?? 0), "aria-hidden": "true" });
          const moved = feature.effect === null ? "" : `${number(feature.effect, 2).replace("-", "−")} sd`;
          return el("li", {}, el("span", { class: "feature" }, feature.name), meter, el("span", { class: "amount" }, moved));
        }),
      ),
    );
  }
}

/** What a document says of the inputs, in whichever of its forms. */
function read(inputs) {
  if (!inputs) return { told: false, features: [], effect: null };
  const listed = inputs.moved ?? inputs.features ?? inputs.most_moved ?? [];
  const features = (Array.isArray(listed) ? listed : Object.entries(listed).map(([name, value]) => ({ name, effect: value })))
    .map((one) => (typeof one === "string" ? { name: one, effect: null } : { name: one.name ?? one.feature ?? "?", effect: one.effect ?? one.shift ?? null }))
    .sort((one, other) => Math.abs(other.effect ?? 0) - Math.abs(one.effect ?? 0))
    .filter((one) => one.effect === null || one.effect !== 0); // what chance may have moved has not moved
  return { told: true, features, effect: typeof inputs.effect === "number" ? inputs.effect : null };
}

