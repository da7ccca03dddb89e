// What the keys of this page may do, and the form that asks for another key.

import { addKey, askJson, dropKeys, heldKeys } from "./api.js";
import { el, tell } from "./page.js";

/** What each scope opens, in the page's words. */
const OPENS = { predict: "ask", metrics: "see health and releases", admin: "change releases" };

export class Access {
  constructor(form, changed) {
    this.form = form;
    this.changed = changed;
    this.needed = false;
    this.keys = [];
    this.known = false;
    this.field = el("input", { id: "key", type: "password", autocomplete: "off", required: true });
    this.words = el("label", { for: "key" });
    this.forget = el("button", { type: "button", class: "button quiet", onclick: () => this.drop() }, "Forget my keys");
    form.replaceChildren(this.words, this.field, el("button", { type: "submit", class: "button" }, "Use it"), this.forget);
    form.addEventListener("submit", (event) => this.submit(event));
    document.addEventListener("snn-key-refused", () => this.look());
  }

  may(scope) {
    return !this.needed || this.keys.some((key) => key.scopes.includes(scope));
  }

  /** Ask the service what the keys may do; a service of another version does not tell, and all is tried. */
  async look(refused = false) {
    try {
      const told = await askJson("admin/key");
      this.needed = told.needed;
      this.keys = told.keys;
    } catch {
      this.needed = false;
      this.keys = [];
    }
    this.known = true;
    this.show(refused);
    this.changed();
  }

  show(refused) {
    const scopes = ["predict", "metrics", "admin"];
    const lacking = scopes.filter((scope) => !this.may(scope));
    this.form.hidden = !this.needed || lacking.length === 0;
    this.forget.hidden = heldKeys() === 0;
    if (!this.needed) return;
    const names = this.keys.map((key) => `“${key.name}”`).join(" and ");
    const may = scopes.filter((scope) => this.may(scope)).map((scope) => OPENS[scope]);
    const first = this.keys.length === 0 ? "This service asks for an API key." : `${names} may ${may.join(" and ")}.`;
    const wrong = refused ? "That key is not known here, or has expired. " : "";
    const more = this.keys.length === 0 ? "It is kept until this tab is closed." : `Another key is needed to ${lacking.map((scope) => OPENS[scope]).join(" or to ")}.`;
    tell(this.words, `${wrong}${first} ${more}`);
  }

  async submit(event) {
    event.preventDefault();
    const value = this.field.value.trim();
    this.field.value = "";
    const before = this.keys.length;
    addKey(value);
    await this.look();
    if (this.keys.length <= before) {
      dropKeys(value);
      this.show(true);
    } else document.dispatchEvent(new CustomEvent("snn-key-given"));
  }

  async drop() {
    dropKeys();
    await this.look();
    document.dispatchEvent(new CustomEvent("snn-key-given"));
  }
}

/** What is shown in place of a part that no key of the page opens. */
export function closed(what, scope) {
  return el(
    "div",
    { class: "empty" },
    el("p", { class: "empty-title" }, `${what} takes a key of scope “${scope}”`),
    el("p", {}, "Give one at the top of the page, or ask whoever runs the service."),
    el("button", { type: "button", class: "button quiet", onclick: () => document.getElementById("key")?.focus() }, "Give a key"),
  );
}
