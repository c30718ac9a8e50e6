// The page of proofs: keys that the reader pastes or kept, a receipt from the server or from a file, and each step.
import { verifyReceipt } from "./receipt.js";

const KEPT = ["keys", "witnesses", "least"].map((name) => ({ name, input: document.getElementById(name) }));
const kept = (name) => `sealstream-proof-${name}`;
const steps = document.getElementById("steps");
const verdict = document.getElementById("verdict");

const worded = (code, values = {}) => {
  const text = document.querySelector(`#texts [data-of="${CSS.escape(code)}"]`).textContent;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
};

const tell = (state, code, values) => {
  const line = document.getElementById(`step-${state}`).content.cloneNode(true);
  const item = line.querySelector("li");
  item.dataset.code = code;
  item.append(" ", worded(code, values));
  steps.append(line);
};

const conclude = (state, code, values) => {
  Object.assign(verdict.dataset, { state, code });
  verdict.className = { good: "done", bad: "problem", unknown: "card" }[state];
  verdict.textContent = worded(code, values);
  document.getElementById("result").hidden = false;
};

const begin = () => {
  steps.replaceChildren();
  conclude("unknown", "working");
};

const verify = async (bytes, asked) => {
  const [keys, witnesses, least] = KEPT.map(({ input }) => input.value);
  try {
    const trust = { keys, witnesses, least: Number(least) || 0, about: null, index: null, ...asked };
    const { good, complete } = await verifyReceipt(bytes, trust, tell);
    if (!good) conclude("bad", "verdict-bad");
    else conclude(complete ? "good" : "unknown", complete ? "verdict-good" : "verdict-partly");
  } catch {
    conclude("bad", "verdict-error");
  }
};

for (const { name, input } of KEPT) input.value = localStorage.getItem(kept(name)) ?? input.value;
document.getElementById("keep").addEventListener("click", () => {
  for (const { name, input } of KEPT) localStorage.setItem(kept(name), input.value);
  document.getElementById("keeping").textContent = worded("kept");
});
document.getElementById("forget").addEventListener("click", () => {
  for (const { name, input } of KEPT) {
    localStorage.removeItem(kept(name));
    input.value = input.defaultValue;
  }
  document.getElementById("keeping").textContent = worded("forgotten");
});

for (const form of document.querySelectorAll("form.fetched")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    begin();
    const given = new FormData(form);
    let bytes;
    try {
      const answer = await fetch(`${form.action}?${new URLSearchParams(given)}`, { redirect: "error" });
      if (!answer.ok) return conclude("bad", "refused", { status: answer.status });
      bytes = new Uint8Array(await answer.arrayBuffer());
    } catch {
      return conclude("bad", "unreachable");
    }
    // What is proved has to be what was asked for, too.
    const about = given.get("record")?.trim().toLowerCase() ?? null;
    return verify(bytes, { about, index: given.has("index") ? BigInt(given.get("index")) : null });
  });
}

const drop = document.getElementById("drop");
const file = document.getElementById("file");
const opened = async (found) => {
  if (found === undefined) return;
  begin();
  await verify(new Uint8Array(await found.arrayBuffer()), {});
};
file.addEventListener("change", () => opened(file.files[0]));
drop.addEventListener("dragover", (event) => event.preventDefault());
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  opened(event.dataTransfer.files[0]);
});
document.getElementById("scriptless").hidden = true;
document.getElementById("tools").hidden = false;
