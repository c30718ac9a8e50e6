// RFC 6962: hashes of leaves and nodes, and the root that an inclusion path leads to (RFC 9162, 2.1.3.2).
import { Refused, joined, same } from "./strict.js";

const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...parts)));

export const leafHash = (body) => sha256(Uint8Array.of(0), body);

const nodeHash = (left, right) => sha256(Uint8Array.of(1), left, right);

// Indexes and sizes are BigInts: they have 64 bits.
export const verifyInclusion = async (leaf, index, size, path, expected) => {
  if (index >= size) throw new Refused("inclusion");
  let [node, last, root] = [index, size - 1n, leaf];
  for (const sibling of path) {
    if (last === 0n) throw new Refused("inclusion");
    if (node & 1n || node === last) {
      root = await nodeHash(sibling, root);
      while (node && !(node & 1n)) {
        node >>= 1n;
        last >>= 1n;
      }
    } else {
      root = await nodeHash(root, sibling);
    }
    node >>= 1n;
    last >>= 1n;
  }
  if (last !== 0n || !same(root, expected)) throw new Refused("inclusion");
};
