// Puts the page together: one stream of documents, one look at readiness, and the panels.

import { ask, listen, setKey } from "./api.js";
import { ActivationsPanel } from "./activations.js";
import { DepartingPanel } from "./departing.js";
import { EventsPanel } from "./events.js";
import { History } from "./history.js";
import { InputsPanel } from "./inputs.js";
import { ModelsPanel } from "./models.js";
import { tell } from "./page.js";
import { Playground } from "./playground.js";
import { ReleasesPanel } from "./releases.js";

const READY_MS = 2000;

const place = (id) => document.getElementById(id);
const root = document.documentElement;

const history = new History();
const models = new ModelsPanel(place("models-body"), choose);
const activations = new ActivationsPanel(place("activations-body"), history);
const inputs = new InputsPanel(place("inputs-body"));
const departing = new DepartingPanel(place("departing-body"));
const events = new EventsPanel(place("events-body"), place("live"));
const releases = new ReleasesPanel(place("releases-body"));
const playground = new Playground(place("playground-body"));

let ready = null;
let documents = null;
let current = null;

activations.onchange = show;

function choose(name) {
  current = name;
  show();
}

function show() {
  const now = Date.now();
  const names = Object.keys(documents ?? {});
  if (documents && (current === null || !(current in { ...ready?.models, ...documents }))) {
    // What is ill is looked into first.
    const order = ["unhealthy", "degraded"];
    current = order.map((verdict) => names.find((name) => documents[name].verdict === verdict)).find(Boolean) ?? names[0] ?? null;
  }
  models.show(ready, documents, current, now);
  tell(place("current"), current ?? "");
  activations.show(current, documents?.[current], now);
  inputs.show(current, documents?.[current]);
  departing.show(documents?.[current], now);
  releases.show(current, documents?.[current]?.version ?? ready?.models?.[current]?.version, now);
  const turned = names.some((name) => documents[name].verdict === "unhealthy");
  document.title = turned ? "Unhealthy · SNN serving" : "SNN serving";
}

function heard(told) {
  const now = Date.now();
  documents = told.models ?? {};
  for (const document_ of Object.values(documents)) history.add(document_, now);
  events.watch(documents, now);
  place("updated").textContent = new Date(now).toLocaleTimeString("en-GB");
  show();
}

function connection(state, error) {
  root.dataset.connection = state;
  tell(place("connection"), state === "live" ? "Live" : "Connection lost");
  events.connection(state, Date.now());
  const banner = place("banner");
  banner.hidden = state === "live";
  if (state !== "live") {
    tell(banner, `${error?.message ?? "The service ended the stream."} What is shown may be old; the page tries again by itself.`);
  }
}

async function lookReady() {
  try {
    ready = await (await ask("health/ready", { fine: [503] })).json();
    const draining = ready.draining ? " It is stopping." : "";
    tell(place("service"), ready.ready ? "Ready" : `Not ready.${draining}${ready.error ? ` ${ready.error}` : ""}`);
    root.dataset.ready = String(ready.ready);
    const serving = Object.entries(ready.models ?? {}).filter(([, model]) => model.ready);
    playground.serve(Object.fromEntries(serving.map(([name, model]) => [name, model.version])));
    show();
  } catch {
    tell(place("service"), "Unreachable");
    root.dataset.ready = "false";
  }
  setTimeout(lookReady, READY_MS);
}

function showTheme() {
  place("theme").setAttribute("aria-pressed", String(root.dataset.theme === "dark"));
}
place("theme").addEventListener("click", () => {
  const detail = root.dataset.theme === "dark" ? "light" : "dark";
  document.dispatchEvent(new CustomEvent("snn-theme-chosen", { detail }));
});
document.addEventListener("snn-theme", showTheme);
showTheme();

// An API key, where the service wants one.
let refused = null;
document.addEventListener("snn-key-wanted", ({ detail }) => {
  // A key that lacks a scope is asked about once, not every time that it is used.
  if (detail.used !== null && detail.used === refused) return;
  refused = detail.used;
  place("key-form").hidden = false;
});
place("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  refused = null;
  setKey(place("key").value.trim());
  place("key").value = "";
  place("key-form").hidden = true;
  document.dispatchEvent(new CustomEvent("snn-key-given"));
});

lookReady();
listen("health/activations/stream", heard, connection);
