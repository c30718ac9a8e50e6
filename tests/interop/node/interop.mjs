// A producer and a subscriber written without Sealstream, from the standards and docs alone. No packages.
//
//   node interop.mjs sign   < request.json    makes a key, signs the events, prints the public JWK and the records
//   node interop.mjs verify < request.json    prints for each record what it says, or why it is refused

import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from "node:crypto";
import { readFileSync } from "node:fs";

const EVENT_TYPE = "https://cloudevents.io/verifiability/dsse/v0.1";
const BATCH_TYPE = "application/vnd.sealstream.batch.v1+json";
const CORE = ["id", "source", "specversion", "type", "datacontenttype", "dataschema", "subject", "time"];
const TIMESTAMPS = new Set(["time", "expirytime", "recordedtime"]);
const LEAF = Buffer.from([0]);
const NODE = Buffer.from([1]);

const b64 = (bytes) => bytes.toString("base64");
const bytesOf = (text) => Buffer.from(text, "base64");
const hash = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();

class Refused extends Error {}

function refuseUnless(holds, why) {
  if (!holds) throw new Refused(why);
}

// Keys. Node signs ECDSA as DER unless it is asked for r || s.

function newKey(algorithm, kid) {
  const { publicKey, privateKey } =
    algorithm === "Ed25519" ? generateKeyPairSync("ed25519") : generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = { ...publicKey.export({ format: "jwk" }), alg: algorithm, kid };
  const hashName = algorithm === "Ed25519" ? null : "sha256";
  return { jwk, sign: (message) => sign(hashName, message, { key: privateKey, dsaEncoding: "ieee-p1363" }) };
}

function holds(jwk, message, signature) {
  const key = createPublicKey({ key: jwk, format: "jwk" });
  return verify(jwk.alg === "Ed25519" ? null : "sha256", message, { key, dsaEncoding: "ieee-p1363" }, signature);
}

// DSSE envelopes.

function pae(type, body) {
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${body.length} `), body]);
}

function envelope(type, body, key) {
  const signatures = [{ keyid: key.jwk.kid, sig: b64(key.sign(pae(type, body))) }];
  return { payloadType: type, payload: b64(body), signatures };
}

function opened(found, type, jwk) {
  refuseUnless(found.payloadType === type, "no envelope of that payloadType");
  const body = bytesOf(found.payload);
  refuseUnless(found.signatures.some(({ sig }) => holds(jwk, pae(type, body), bytesOf(sig))), "no signature holds");
  return body;
}

// Verifiability: what is signed of an event.

function canonical(name, value) {
  if (!value) return "";
  return TIMESTAMPS.has(name) ? `${new Date(value).toISOString().slice(0, 19)}Z` : value;
}

function digest(attributes, names, data) {
  const parts = names.map((name) => hash(Buffer.from(canonical(name, attributes[name]))));
  return hash(...parts, ...(data === undefined ? [] : [hash(data)]));
}

function payloadOf({ attributes, data }, signed) {
  const m = { core: b64(digest(attributes, CORE, bytesOf(data))) };
  if (signed.length > 0) Object.assign(m, { ext: b64(digest(attributes, signed)), signedextattrs: signed });
  return Buffer.from(JSON.stringify(m));
}

// The Kafka binding's binary mode.

function toRecord({ attributes, data }, name, material) {
  const all = { ...attributes, [name]: b64(Buffer.from(JSON.stringify(material))) };
  const headers = Object.entries(all).map(([key, value]) => ({
    name: key === "datacontenttype" ? "content-type" : `ce_${key}`,
    value: b64(Buffer.from(value)),
  }));
  return { headers, value: data };
}

function fromRecord({ headers }) {
  const attributes = {};
  for (const { name, value } of headers) {
    const folded = name.toLowerCase();
    if (folded !== "content-type" && !folded.startsWith("ce_")) continue;
    const key = folded === "content-type" ? "datacontenttype" : folded.slice(3);
    refuseUnless(!(key in attributes), `attribute ${key} is given twice`);
    attributes[key] = bytesOf(value).toString();
  }
  for (const name of CORE.slice(0, 4)) refuseUnless(attributes[name], `attribute ${name} is missing`);
  return attributes;
}

// The tree of RFC 6962.

function split(size) {
  let k = 1;
  while (k * 2 < size) k *= 2;
  return k;
}

function rootAndPath(leaves, index) {
  if (leaves.length === 1) return [leaves[0], []];
  const k = split(leaves.length);
  const [left, leftPath] = rootAndPath(leaves.slice(0, k), index < k ? index : 0);
  const [right, rightPath] = rootAndPath(leaves.slice(k), index < k ? 0 : index - k);
  return [hash(NODE, left, right), index < k ? [...leftPath, right] : [...rightPath, left]];
}

function rootOf(leaf, index, size, path) {
  refuseUnless(index >= 0 && index < size && (size === 1) === (path.length === 0), "the path does not fit");
  if (size === 1) return leaf;
  const k = split(size);
  const below = path.slice(0, -1);
  const beside = path[path.length - 1];
  return index < k
    ? hash(NODE, rootOf(leaf, index, k, below), beside)
    : hash(NODE, beside, rootOf(leaf, index - k, size - k, below));
}

// What the program does.

function signOne(event, signed, key) {
  return toRecord(event, "dssematerial", envelope(EVENT_TYPE, payloadOf(event, signed), key));
}

function signBatch(events, signed, key) {
  const members = events.map((event) => ({ payload: payloadOf(event, signed), nonce: randomBytes(16) }));
  const leaves = members.map(({ payload, nonce }) => hash(LEAF, nonce, payload));
  const content = { root: b64(rootAndPath(leaves, 0)[0]), size: leaves.length, source: events[0].attributes.source };
  const statement = envelope(BATCH_TYPE, Buffer.from(JSON.stringify(content)), key);
  return events.map((event, index) => {
    const { payload, nonce } = members[index];
    const path = rootAndPath(leaves, index)[1].map(b64);
    return toRecord(event, "batchmaterial", { payload: b64(payload), nonce: b64(nonce), statement, index, path });
  });
}

function attested(attributes, jwk) {
  const { dssematerial, batchmaterial } = attributes;
  refuseUnless(!dssematerial !== !batchmaterial, "not signed, or signed in two ways");
  const material = JSON.parse(bytesOf(dssematerial ?? batchmaterial).toString());
  if (dssematerial) return opened(material, EVENT_TYPE, jwk);
  const said = JSON.parse(opened(material.statement, BATCH_TYPE, jwk).toString());
  refuseUnless(said.source === attributes.source, "the statement is about another source");
  const nonce = bytesOf(material.nonce);
  refuseUnless(nonce.length === 16, "no batch material");
  const leaf = hash(LEAF, nonce, bytesOf(material.payload));
  const computed = rootOf(leaf, material.index, said.size, material.path.map(bytesOf));
  refuseUnless(computed.equals(bytesOf(said.root)), "the payload does not stand in the batch");
  return bytesOf(material.payload);
}

function verified(record, jwk) {
  const attributes = fromRecord(record);
  const m = JSON.parse(attested(attributes, jwk).toString());
  refuseUnless((m.ext === undefined) === (m.signedextattrs === undefined), "no payload of Verifiability");
  const core = digest(attributes, CORE, bytesOf(record.value));
  refuseUnless(core.equals(bytesOf(m.core)), "core attributes or data are not those that were signed");
  const signed = m.signedextattrs ?? [];
  const ext = signed.length === 0 || digest(attributes, signed).equals(bytesOf(m.ext));
  refuseUnless(ext, "extensions are not those that were signed");
  const shown = [...CORE, ...signed].filter((name) => name in attributes);
  return { attributes: Object.fromEntries(shown.map((name) => [name, attributes[name]])), data: record.value };
}

function result(record, jwk) {
  try {
    return { event: verified(record, jwk) };
  } catch (error) {
    if (error instanceof Refused || error instanceof SyntaxError) return { error: error.message };
    throw error;
  }
}

const asked = JSON.parse(readFileSync(0, "utf8"));
if (process.argv[2] === "sign") {
  const key = newKey(asked.algorithm, asked.kid);
  const records = asked.batch
    ? signBatch(asked.events, asked.signed, key)
    : asked.events.map((event) => signOne(event, asked.signed, key));
  console.log(JSON.stringify({ jwk: key.jwk, records }));
} else {
  console.log(JSON.stringify({ results: asked.records.map((record) => result(record, asked.jwk)) }));
}
