// What the stream has told since the page was opened, by model and version: a bounded memory.

const LONGEST = 900; // a quarter of an hour, a document a second

export class History {
  constructor() {
    this.models = new Map();
  }

  /** Take in one model's document; a new version begins anew. */
  add(document, now) {
    let held = this.models.get(document.model);
    if (!held || held.version !== document.version) {
      held = { version: document.version, times: [], statistics: { mean: [], variance: [], saturated: [] } };
      this.models.set(document.model, held);
    }
    held.times.push(now / 1000);
    for (const [name, layers] of Object.entries(held.statistics)) {
      document.members.forEach((member, m) =>
        member.layers.forEach((layer, l) => {
          layers[l] ??= [];
          layers[l][m] ??= new Array(held.times.length - 1).fill(null);
          layers[l][m].push(layer[name] ?? null);
        }),
      );
    }
    if (held.times.length > LONGEST) {
      held.times.shift();
      for (const layers of Object.values(held.statistics)) {
        for (const members of layers) for (const values of members) values.shift();
      }
    }
  }

  of(model) {
    return this.models.get(model);
  }
}
