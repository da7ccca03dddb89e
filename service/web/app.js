// Puts the page together: who may see what, one stream of documents, one look at readiness, and the panels.

import { Access, closed } from "./access.js";
import { ask, listen } from "./api.js";
import { DepartingPanel } from "./departing.js";
import { EventsPanel } from "./events.js";
import { HealthPanel } from "./health.js";
import { History } from "./history.js";
import { InputsPanel } from "./inputs.js";
import { InsidePanel } from "./inside.js";
import { tell } from "./page.js";
import { Playground } from "./playground.js";
import { ReleasesPanel } from "./releases.js";
import { TrialPanel } from "./trial.js";

const READY_MS = 2000;

const place = (id) => document.getElementById(id);
const root = document.documentElement;

const access = new Access(place("key-form"), opened);
const history = new History(() => show());
const health = new HealthPanel(place("health-body"), choose);
const inside = new InsidePanel(place("inside-body"), history);
const inputs = new InputsPanel(place("inputs-body"));
const departing = new DepartingPanel(place("departing-body"));
const events = new EventsPanel(place("events-body"), place("live"));
const releases = new ReleasesPanel(place("releases-body"), access);
const trial = new TrialPanel(place("trial-body"));
const playground = new Playground(place("playground-body"), access, choose);

let ready = null;
let documents = null;
/** The one model that the whole page is about: of the address, or as soon as it is known which is best shown. */
let current = new URLSearchParams(location.search).get("model");

inside.onchange = () => show();

/** The keys' scopes are known, or are others. */
function opened() {
  if (!access.may("metrics")) {
    documents = null;
    root.dataset.connection = "closed";
    tell(place("connection"), "Health not shown");
    place("banner").hidden = true;
    inside.clear();
    for (const id of ["inside-body", "inputs-body", "departing-body", "events-body"]) place(id).replaceChildren(closed("What goes on inside", "metrics"));
  } else if (root.dataset.connection === "closed") {
    root.dataset.connection = "";
    tell(place("connection"), "Connecting…");
  }
  for (const id of ["inputs", "departing", "events"]) place(id).hidden = !access.may("metrics");
  playground.again = 0;
  show();
}

/** The address keeps what a visitor chose, so that a reload or a link shows the same. */
function choose(name) {
  current = name;
  const address = new URL(location.href);
  address.searchParams.set("model", name);
  window.history.replaceState(null, "", address);
  show();
}

/** What is ill is looked into first, then the model that has the most to show. */
function firstOf(names) {
  const ill = ["unhealthy", "degraded"].map((verdict) => names.find((name) => documents?.[name]?.verdict === verdict)).find(Boolean);
  return ill ?? names.find((name) => name === "tox21") ?? names[0];
}

function show() {
  if (!access.known) return;
  const now = Date.now();
  const may = access.may("metrics");
  // What is shown before the first document would be moved by it.
  const told = documents !== null || root.dataset.connection === "lost";
  const names = Object.keys({ ...ready?.models, ...documents });
  if (names.length && (told || !may) && !names.includes(current)) current = firstOf(names);
  if (ready && (told || !may)) serveAsked();
  if (told || !may) health.show(ready, documents, current, now, may);
  tell(place("current"), current ?? "");
  tell(place("releases-of"), current ?? "");
  releases.show(current, documents?.[current]?.version ?? ready?.models?.[current]?.version, now);
  trial.show(current, may, now);
  const turned = Object.values(documents ?? {}).some(({ verdict }) => verdict === "unhealthy");
  document.title = turned ? "Unhealthy · SNN serving" : "SNN serving";
  if (!may || !told) return;
  inside.show(current, documents?.[current], now);
  events.draw(documents ? history.of(current, now) : null);
  inputs.show(current, documents?.[current]);
  departing.show(documents?.[current], now);
}

function heard(told) {
  const now = Date.now();
  documents = told.models ?? {};
  if (events.watch(documents)) history.stale();
  place("updated").textContent = new Date(now).toLocaleTimeString("en-GB");
  show();
}

function connection(state, error) {
  if (!access.may("metrics")) return;
  root.dataset.connection = state;
  tell(place("connection"), state === "live" ? "Live" : "Connection lost");
  const banner = place("banner");
  banner.hidden = state === "live";
  if (state !== "live") {
    tell(banner, `${error?.message ?? "The service ended the stream."} What is shown may be old; the page tries again by itself.`);
  }
}

function serveAsked() {
  const serving = Object.entries(ready.models ?? {}).filter(([, model]) => model.ready);
  playground.serve(Object.fromEntries(serving.map(([name, model]) => [name, model.version])), current);
}

async function lookReady() {
  try {
    ready = await (await ask("health/ready", { fine: [503] })).json();
    const draining = ready.draining ? " It is stopping." : "";
    tell(place("service"), ready.ready ? "Ready" : `Not ready.${draining}${ready.error ? ` ${ready.error}` : ""}`);
    root.dataset.ready = String(ready.ready);
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

lookReady();
access.look().then(() => listen("health/activations/stream", heard, connection, () => access.may("metrics")));
