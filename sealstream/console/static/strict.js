// Reading what came from elsewhere, in one way or not at all: base64 and JSON as two readers can't take for two things.

export class Refused extends Error {
  // `code` names a text of the page; `values` stand in it.
  constructor(code, values = {}) {
    super(code);
    this.code = code;
    this.values = values;
  }
}

export const utf8 = (text) => new TextEncoder().encode(text);

export const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export const joined = (...parts) => {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

export const same = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);

// Standard base64 in its one canonical form; null for anything else.
export const decodeBase64 = (text) => {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4) return null;
  const binary = atob(text);
  return btoa(binary) === text ? Uint8Array.from(binary, (character) => character.charCodeAt(0)) : null;
};

const MAX_DEPTH = 32;
const MAX_NUMBER = 2n ** 64n - 1n;
const TOKEN = /[ \t\n\r]*(?:([{}[\]:,])|("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?[0-9][0-9.eE+-]*)|(true|false|null))/y;

// JSON whose objects (Maps) name each member once, and whose numbers (BigInts) are unsigned and of 64 bits.
export const parseJson = (text) => {
  let at = 0;
  let depth = 0;
  const broken = () => new Refused("malformed");
  const next = () => {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (found === null) throw broken();
    at = TOKEN.lastIndex;
    return found;
  };
  const texted = (token) => {
    const value = JSON.parse(token);
    if (!value.isWellFormed()) throw broken();
    return value;
  };
  const peeked = (mark) => {
    const before = at;
    const [, found] = next();
    if (found === mark) return true;
    at = before;
    return false;
  };
  // What stands between commas, up to `end`.
  const listed = (end, take) => {
    depth += 1;
    if (depth > MAX_DEPTH) throw broken();
    if (!peeked(end)) {
      for (;;) {
        take();
        const [, mark] = next();
        if (mark === end) break;
        if (mark !== ",") throw broken();
      }
    }
    depth -= 1;
  };
  const value = () => {
    const [, mark, quoted, number, word] = next();
    if (quoted !== undefined) return texted(quoted);
    if (word !== undefined) return { true: true, false: false, null: null }[word];
    if (number !== undefined) {
      if (!/^(0|[1-9][0-9]{0,19})$/.test(number) || BigInt(number) > MAX_NUMBER) throw broken();
      return BigInt(number);
    }
    if (mark === "[") {
      const items = [];
      listed("]", () => items.push(value()));
      return items;
    }
    if (mark !== "{") throw broken();
    const members = new Map();
    listed("}", () => {
      const [, , name] = next();
      if (name === undefined || next()[1] !== ":") throw broken();
      const key = texted(name);
      if (members.has(key)) throw broken();
      members.set(key, value());
    });
    return members;
  };
  const whole = value();
  if (/[^ \t\n\r]/.test(text.slice(at))) throw broken();
  return whole;
};

// An object that has these members and no other; those with a question mark may be absent.
export const members = (value, names) => {
  if (!(value instanceof Map)) throw new Refused("malformed");
  const known = new Set(names.map((name) => name.replace("?", "")));
  const missing = names.some((name) => !name.endsWith("?") && !value.has(name));
  if (missing || [...value.keys()].some((name) => !known.has(name))) throw new Refused("malformed");
  return Object.fromEntries([...known].map((name) => [name, value.get(name)]));
};

export const texts = (...values) => {
  if (values.some((value) => typeof value !== "string")) throw new Refused("malformed");
};

export const numbers = (...values) => {
  if (values.some((value) => typeof value !== "bigint")) throw new Refused("malformed");
};
