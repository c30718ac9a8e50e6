// Verifies a receipt, step by step, with nothing but keys that its reader has from elsewhere. The form: schemas/receipt.py.
import { leafHash, verifyInclusion } from "./merkle.js";
import { parseKeys, verifyCheckpoint } from "./note.js";
import { Refused, decodeBase64, members, numbers, parseJson, same, texts, utf8 } from "./strict.js";

const MAX_RECEIPT = 32 << 20;
const MAX_NOTE = 64 << 10;
const MAX_LEAF = 65535;
const MAX_PATH = 64;
const MAX_SHARDS = 64;

const sized = (text, length) => {
  const bytes = typeof text === "string" ? decodeBase64(text) : null;
  if (bytes === null || bytes.length !== length) throw new Refused("malformed");
  return bytes;
};

const limited = (text, most) => {
  const bytes = utf8(text);
  if (bytes.length > most) throw new Refused("malformed");
  return bytes;
};

const place = ({ index, leaf, path }) => {
  numbers(index);
  texts(leaf);
  if (!Array.isArray(path) || path.length > MAX_PATH) throw new Refused("malformed");
  return { index, body: limited(leaf, MAX_LEAF), path: path.map((node) => sized(node, 32)) };
};

const readReceipt = (bytes) => {
  if (bytes.length > MAX_RECEIPT) throw new Refused("malformed");
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refused("malformed");
  }
  const named = ["version", "origin", "index", "leaf", "path", "checkpoint", "fields", "message?", "accepted?"];
  const found = members(parseJson(text), named);
  texts(found.origin, found.checkpoint);
  limited(found.checkpoint, MAX_NOTE);
  if (found.version !== 1n || !(found.fields instanceof Map)) throw new Refused("malformed");
  const fields = [...found.fields].map(([name, each]) => {
    const { value, salt, tier } = members(each, ["value", "salt", "tier"]);
    texts(value);
    numbers(tier);
    if (tier < 1n || tier > 5n) throw new Refused("malformed");
    return { name, value, salt: sized(salt, 16) };
  });
  if (found.message !== undefined && !(found.message instanceof Map)) throw new Refused("malformed");
  if (found.accepted !== undefined) {
    if (found.message === undefined) throw new Refused("malformed");
    const { shards, ...accepted } = members(found.accepted, ["index", "leaf", "path", "shards?"]);
    place(accepted);
    if (shards !== undefined) {
      if (!Array.isArray(shards) || shards.length < 1 || shards.length > MAX_SHARDS) throw new Refused("malformed");
      for (const each of shards) place({ index: 0n, ...members(each, ["leaf", "path"]) });
    }
  }
  return { ...found, ...place(found), fields };
};

const readLeaf = (text) => {
  let leaf;
  try {
    leaf = parseJson(text);
  } catch {
    throw new Refused("leaf");
  }
  const good = leaf instanceof Map && leaf.get("v") === 1n && typeof leaf.get("kind") === "string";
  if (!good || typeof leaf.get("time") !== "string") throw new Refused("leaf");
  return leaf;
};

// What a leaf says, as text; commitments are not for people.
const said = (leaf) => {
  const plain = [...leaf].filter(([name, value]) => !(value instanceof Map) && !["v", "digest", "label"].includes(name));
  return plain.map(([name, value]) => `${name} ${value}`).join(", ");
};

const verifyField = async (leaf, { name, value, salt }) => {
  const committed = name === "label" ? leaf.get("label") : leaf.get("fields")?.get?.(name);
  const commitment = typeof committed === "string" && name !== "evidence" ? decodeBase64(committed) : null;
  if (commitment === null) throw new Refused("field-absent", { name });
  const key = await crypto.subtle.importKey("raw", salt, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const made = new Uint8Array(await crypto.subtle.sign("HMAC", key, utf8(value)));
  if (!same(made, commitment)) throw new Refused("field", { name });
};

const keyed = async (receipt, trust) => {
  const keys = await parseKeys(trust.keys);
  const own = keys.filter((key) => key.type === 1 && key.name === receipt.origin);
  if (!own.length) throw new Refused(keys.length ? "other-log" : "no-key", { origin: receipt.origin });
  return { own, witnesses: await parseKeys(trust.witnesses) };
};

const seconds = (time) => {
  const found = new Date(Number(time) * 1000);
  return Number.isNaN(found.getTime()) ? `${time}` : found.toISOString();
};

// How many of those that had to cosign did: neither a second key of a witness nor a second name of a key counts.
const seeWitnesses = (checkpoint, witnesses, least, step) => {
  for (const { key, time } of checkpoint.cosigned) {
    step("good", "cosigned", { name: key.name, time: time === null ? "" : seconds(time) });
  }
  for (const key of witnesses.filter((each) => !checkpoint.cosigned.some((good) => good.key === each))) {
    step("unknown", "not-cosigned", { name: key.name });
  }
  for (const name of checkpoint.others) step("unknown", "unknown-line", { name });
  const names = new Set(checkpoint.cosigned.map(({ key }) => key.name)).size;
  const count = Math.min(names, new Set(checkpoint.cosigned.map(({ key }) => String(key.bytes))).size);
  if (count < least) throw new Refused("witnesses", { count, least });
};

const seeFields = async (receipt, leaf, step) => {
  const kind = leaf.get("commitments");
  if (kind !== undefined && kind !== "hmac-sha256" && receipt.fields.length) {
    step("unknown", "commitments", { kind });
    return;
  }
  for (const field of receipt.fields) {
    await verifyField(leaf, field);
    step("good", "field-good", { name: field.name, value: field.value });
  }
};

// Tells each step: (state, code, values), state one of `good`, `bad` and `unknown`. After the first bad one nothing
// more is looked at; what was not looked at is said to be unknown. Returns whether all that there is was good.
export const verifyReceipt = async (bytes, trust, tell) => {
  let complete = true;
  const step = (state, code, values = {}) => {
    complete = complete && (state !== "unknown" || code === "not-cosigned" || code === "unknown-line");
    tell(state, code, values);
  };
  try {
    const receipt = readReceipt(bytes);
    const { own, witnesses } = await keyed(receipt, trust);
    const checkpoint = await verifyCheckpoint(receipt.checkpoint, receipt.origin, own, witnesses);
    const { signer, size, root } = checkpoint;
    step("good", "signed", { origin: receipt.origin, key: `${signer.name}+${signer.id}`, size });
    seeWitnesses(checkpoint, witnesses, trust.least, step);
    await verifyInclusion(await leafHash(receipt.body), receipt.index, size, receipt.path, root);
    step("good", "included", { index: receipt.index, size });
    const leaf = readLeaf(receipt.leaf);
    if (trust.about !== null && ![leaf.get("record"), leaf.get("message")].includes(trust.about)) {
      throw new Refused("another", { name: trust.about });
    }
    if (trust.index !== null && trust.index !== receipt.index) throw new Refused("another", { name: trust.index });
    step("good", "leaf-good", { said: said(leaf) });
    await seeFields(receipt, leaf, step);
    if (receipt.message !== undefined) step("unknown", "message");
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    step("bad", error.code, error.values);
    step("unknown", "after");
    return { good: false, complete: false };
  }
  return { good: true, complete };
};
