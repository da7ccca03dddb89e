// Requests to the service: its key, its errors, and its stream of events.

const KEY = "snn-keys";
/** A request has room for two: one for each header that may have a key. */
const MOST_KEYS = 2;
let keys = [];
try {
  keys = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
} catch {
  // Without storage keys are asked for again after a reload.
}

/** What the service refused, in its own words. */
export class Refused extends Error {
  constructor(message, status, requestId = null) {
    super(message);
    this.status = status;
    this.requestId = requestId;
  }
}

export function heldKeys() {
  return keys.length;
}

/** Keep a key beside the one that is held: the service takes whichever may do what is asked. */
export function addKey(value) {
  if (value) keep([...keys.filter((key) => key !== value), value].slice(-MOST_KEYS));
}

/** Forget one key, or all. */
export function dropKeys(value = null) {
  keep(value === null ? [] : keys.filter((key) => key !== value));
}

function keep(wanted) {
  keys = wanted;
  try {
    sessionStorage.setItem(KEY, JSON.stringify(keys));
  } catch {
    // See above.
  }
}

/** Fetch, with the keys; throws `Refused`. Statuses in `fine` are answers too. */
export async function ask(path, { fine = [], headers = {}, ...options } = {}) {
  const sent = { ...headers };
  if (keys[0]) sent.authorization = `Bearer ${keys[0]}`;
  if (keys[1]) sent["x-api-key"] = keys[1];
  let answer;
  try {
    answer = await fetch(path, { cache: "no-cache", credentials: "same-origin", ...options, headers: sent });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The service cannot be reached. It may be restarting; try again.", 0);
  }
  if (answer.ok || fine.includes(answer.status)) return answer;
  if (answer.status === 401) document.dispatchEvent(new CustomEvent("snn-key-refused"));
  throw await refusal(answer);
}

async function refusal(answer) {
  let message = `The service answered with status ${answer.status}.`;
  try {
    const document = await answer.json();
    if (document.error) message = sentence(document.error);
  } catch {
    // Not the service's own words, so something in between answered.
  }
  return new Refused(message, answer.status, answer.headers.get("x-request-id"));
}

function sentence(text) {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

export async function askJson(path, options) {
  return (await ask(path, options)).json();
}

/** What is tried out on the page is no traffic: the activation health leaves it out. */
export const TRIED = { "x-snn-synthetic": "1" };

export function post(path, document, options = {}) {
  return ask(path, {
    method: "POST",
    body: JSON.stringify(document),
    ...options,
    headers: { "content-type": "application/json", ...options.headers },
  });
}

const SILENCE_MS = 6000;

/**
 * Listen to server-sent events until the page goes. An EventSource could send no key.
 * `heard(document)` gets each document, `state("live" | "lost", error)` each change. It waits for a key
 * while `may()` says that there is none for it.
 */
export async function listen(path, heard, state, may = () => true) {
  let pause = 2000;
  for (;;) {
    while (!may()) await new Promise((resolve) => document.addEventListener("snn-key-given", resolve, { once: true }));
    const abort = new AbortController();
    let watch = null;
    const alive = () => {
      clearTimeout(watch);
      watch = setTimeout(() => abort.abort(), SILENCE_MS);
    };
    let error = null;
    try {
      alive();
      const answer = await ask(path, { signal: abort.signal, headers: { accept: "text/event-stream" } });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let held = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        alive();
        const events = (held + value).split("\n\n");
        held = events.pop();
        for (const event of events) {
          const { type, data, retry } = fields(event);
          if (retry) pause = retry;
          if (type === "message" && data) {
            state("live");
            heard(JSON.parse(data));
          }
        }
      }
    } catch (caught) {
      error = caught;
    }
    clearTimeout(watch);
    state("lost", error);
    await new Promise((resolve) => {
      setTimeout(resolve, pause);
      document.addEventListener("snn-key-given", resolve, { once: true });
    });
  }
}

function fields(event) {
  const found = { type: "message", data: "", retry: 0 };
  for (const line of event.split("\n")) {
    const [name, ...rest] = line.split(": ");
    const value = rest.join(": ");
    if (name === "event") found.type = value;
    else if (name === "data") found.data += value;
    else if (name === "retry") found.retry = Number(value) || 0;
  }
  return found;
}
