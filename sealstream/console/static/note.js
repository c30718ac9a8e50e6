// C2SP: verifier keys, signed notes, checkpoints, and the cosignatures of witnesses; Ed25519 is the browser's.
import { Refused, decodeBase64, hex, joined, same, utf8 } from "./strict.js";

const ED25519 = 1;
const COSIGNATURE = 4;
const MAX_SIZE = 2n ** 64n - 1n;
const MAX_SIGNATURES = 100;
const CONTROL = /[\u0000-\u0009\u000b-\u001f]/;

const isName = (name) => name !== "" && !/[\s+\u0000-\u001f\u0085]/u.test(name) && name.isWellFormed();

const digest = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

// `name+hex(key id)+base64(type || key)`.
export const parseKey = async (vkey) => {
  const broken = new Refused("key", { key: vkey.slice(0, 80) });
  const [name, id, ...rest] = vkey.split("+");
  const raw = decodeBase64(rest.join("+"));
  if (!isName(name) || raw === null || raw.length !== 33 || ![ED25519, COSIGNATURE].includes(raw[0])) throw broken;
  const found = hex((await digest(joined(utf8(`${name}\n`), raw))).slice(0, 4));
  if (found !== id) throw broken;
  return { name, id, type: raw[0], bytes: raw.slice(1) };
};

// One a line; the same key twice is one, two keys that can't be told apart are refused.
export const parseKeys = async (text) => {
  const found = new Map();
  for (const line of text.split(/\s+/u).filter((each) => each !== "")) {
    const key = await parseKey(line);
    const before = found.get(`${key.name} ${key.id}`);
    if (before !== undefined && !(before.type === key.type && same(before.bytes, key.bytes))) {
      throw new Refused("key", { key: line.slice(0, 80) });
    }
    found.set(`${key.name} ${key.id}`, key);
  }
  return [...found.values()];
};

const parseNote = (note) => {
  const at = note.lastIndexOf("\n\n");
  if (CONTROL.test(note) || at < 0 || !note.endsWith("\n") || at + 2 >= note.length) throw new Refused("note");
  const lines = note.slice(at + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) throw new Refused("note");
  const signatures = lines.map((line) => {
    const [dash, name, encoded, ...more] = line.split(" ");
    const raw = encoded === undefined ? null : decodeBase64(encoded);
    if (dash !== "\u2014" || !isName(name ?? "") || raw === null || raw.length < 5 || more.length) {
      throw new Refused("note");
    }
    return { name, id: hex(raw.slice(0, 4)), bytes: raw.slice(4) };
  });
  return { text: note.slice(0, at + 1), signatures };
};

const parseCheckpoint = async (text) => {
  const lines = text.split("\n");
  const rest = lines.pop();
  if (rest !== "" || lines.length < 3 || lines.includes("")) throw new Refused("checkpoint");
  const [origin, size, encoded] = lines;
  const root = decodeBase64(encoded);
  if (!/^(0|[1-9][0-9]{0,19})$/.test(size) || BigInt(size) > MAX_SIZE) throw new Refused("checkpoint");
  if (root === null || root.length !== 32) throw new Refused("checkpoint");
  if (size === "0" && !same(root, await digest(new Uint8Array()))) throw new Refused("checkpoint");
  return { origin, size: BigInt(size), root };
};

const imported = async (key) => {
  try {
    return await crypto.subtle.importKey("raw", key.bytes, { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    throw new Refused(error.name === "NotSupportedError" ? "unsupported" : "key", { key: key.name });
  }
};

// The time of a cosignature, or null of a plain signature.
const verifyLine = async (key, text, signature) => {
  let [bytes, message, time] = [signature.bytes, utf8(text), null];
  if (key.type === COSIGNATURE) {
    if (bytes.length < 8) throw new Refused("signature", { name: key.name });
    time = bytes.slice(0, 8).reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
    bytes = bytes.slice(8);
    message = joined(utf8(`cosignature/v1\ntime ${time}\n`), message);
  }
  const good = bytes.length === 64 && (await crypto.subtle.verify("Ed25519", await imported(key), bytes, message));
  if (!good) throw new Refused("signature", { name: key.name });
  return time;
};

// A checkpoint of that log that one of its keys signed. Any line by a known key that is bad refuses all of it.
export const verifyCheckpoint = async (note, origin, keys, witnesses) => {
  const parsed = parseNote(note);
  const known = new Map([...witnesses, ...keys].map((key) => [`${key.name} ${key.id}`, key]));
  const good = new Map();
  for (const signature of parsed.signatures) {
    const key = known.get(`${signature.name} ${signature.id}`);
    if (key === undefined) continue;
    const time = await verifyLine(key, parsed.text, signature);
    if (!good.has(key)) good.set(key, time);
  }
  const checkpoint = await parseCheckpoint(parsed.text);
  if (checkpoint.origin !== origin) throw new Refused("origin", { origin: checkpoint.origin });
  const signer = keys.find((key) => good.has(key));
  if (signer === undefined) throw new Refused("unsigned");
  const others = parsed.signatures.filter((each) => !known.has(`${each.name} ${each.id}`)).map((each) => each.name);
  const cosigned = witnesses.filter((key) => good.has(key) && !keys.includes(key));
  return { ...checkpoint, signer, others, cosigned: cosigned.map((key) => ({ key, time: good.get(key) })) };
};
