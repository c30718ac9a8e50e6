#!/usr/bin/env python3
"""Verify a Sealstream receipt offline, without Sealstream: one file, the standard library and `cryptography`.

    python sealstream_verify.py RECEIPT.json VKEY [--origin ORIGIN] [--leaf-only]

VKEY is the log's verifier key, or a file that holds it: get it from the log's operator on a way that you trust. Prints
what holds, a line each, and exits with 0; or says on stderr what does not, and exits with 1.

Checked are the log's signature over the checkpoint (C2SP signed note, Ed25519), that the leaf stands under it (RFC
6962), that fields open their commitments, and the message: its digests (CloudEvents Verifiability) open the `digest` of
the leaf, or of the earlier one that accepted the record, and were signed (DSSE, Ed25519). Not checked: whose those keys
are (compare thumbprints), cosignatures. Structured mode and other algorithms are refused unless --leaf-only is given.
"""

import argparse
import base64
import hashlib
import hmac
import json
import re
import sys
import uuid
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MAX_RECEIPT, MAX_LEAF, MAX_NOTE, MAX_NUMBER = 32 << 20, 65535, 64 << 10, 2**64 - 1
PLACE = ("index", "leaf", "path")
SINGLE = "https://cloudevents.io/verifiability/dsse/v0.1"
BATCH = "application/vnd.sealstream.batch.v1+json"
CORE = ("id", "source", "specversion", "type", "datacontenttype", "dataschema", "subject", "time")
MATERIAL = ("dssematerial", "batchmaterial")
TIME = re.compile(r"(?a)(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:)(\d\d)(?:\.\d+)?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))")
TIMESTAMPS = ("time", "deprecationfrom", "deprecationsunset", "expirytime", "recordedtime")


def check(holds, what):
    if not holds:
        raise ValueError(what)


def read_json(text, what):
    def unique(pairs):
        check(len(dict(pairs)) == len(pairs), f"{what}: a member is there twice")
        return dict(pairs)

    def number(digits):
        check(digits.isdigit() and len(digits) <= 20, f"{what}: a number is no unsigned integer below 2^64")
        return int(digits)

    text = text.decode() if isinstance(text, bytes) else text
    found = json.loads(text, object_pairs_hook=unique, parse_int=number, parse_float=number, parse_constant=number)
    json.dumps(found, ensure_ascii=False).encode()  # fails at a lone surrogate
    return found


def members(found, what, required, optional=()):
    fits = isinstance(found, dict) and found.keys() - set(optional) == set(required)
    check(fits, f"{what} is no object, lacks a member, or has one that is none of it")
    return found


def typed(value, kind, what):
    check(type(value) is kind, f"{what} is not of the type that it must have")
    return value


def b64(text, what, length=None, either=False):
    """Base64 in its one canonical spelling; of either alphabet where DSSE or JWK have it."""
    text = typed(text, str, what).translate(str.maketrans("-_", "+/") if either else {})
    raw = base64.b64decode(text.encode(), validate=True)
    check(base64.b64encode(raw).decode() == text, f"{what} is not base64 in its canonical form")
    check(length in (None, len(raw)), f"{what} is not {length} bytes long")
    return raw


def ed25519(key, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def read_vkey(vkey):
    """`name+hex(key id)+base64(0x01 || key)`."""
    name, _, rest = vkey.partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = b64(encoded, "the verifier key", 33)
    wanted = hashlib.sha256(name.encode() + b"\n" + raw).hexdigest()[:8]
    check(raw[0] == 1 and name and key_id == wanted, "the verifier key is no Ed25519 key, or does not fit its id")
    return name, bytes.fromhex(key_id), raw[1:]


def read_checkpoint(note, origin, vkey):
    """The size and the root that the log signed."""
    check(not re.search(r"[\x00-\x09\x0b-\x1f]", note), "the checkpoint holds a control character")
    text, separator, lines = note.rpartition("\n\n")
    check(separator and lines.endswith("\n") and lines.count("\n") <= 100, "the checkpoint is no signed note")
    text, name, signed = text + "\n", vkey[0], False
    for line in lines[:-1].split("\n"):
        match = re.fullmatch("\u2014 ([^\\s+]+) (\\S+)", line)
        check(match, "a line of the checkpoint is no signature line")
        raw = b64(match[2], "a signature line")
        if match[1] == name and raw[:4] == vkey[1]:
            check(ed25519(vkey[2], text.encode(), raw[4:]), "the log's signature over the checkpoint does not verify")
            signed = True
    check(signed, "the checkpoint is not signed by the log's key")
    said = text[:-1].split("\n")
    check(len(said) >= 3 and all(said) and said[0] == origin, "the checkpoint is none, or of another log")
    check(re.fullmatch(r"0|[1-9][0-9]{0,19}", said[1]) and int(said[1]) <= MAX_NUMBER, "the tree size is no number")
    return int(said[1]), b64(said[2], "the root", 32)


def check_inclusion(leaf, index, size, path, root, what):
    """RFC 9162, section 2.1.3.2."""
    check(index < size, f"{what}: the index does not lie within the tree")
    node, last, found = index, size - 1, hashlib.sha256(b"\x00" + leaf).digest()
    for sibling in path:
        check(last, f"{what}: the path is too long")
        if node & 1 or node == last:
            found = hashlib.sha256(b"\x01" + sibling + found).digest()
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\x01" + found + sibling).digest()
        node, last = node >> 1, last >> 1
    check(not last and found == root, f"{what}: the path does not lead to the root")


def check_commitment(leaf, leaf_says, salt, value, what):
    """Commitments are HMAC(salt, value) with SHA-256, or with SM3 where the leaf says so."""
    check(isinstance(leaf_says, str), f"the leaf has no commitment to {what}")
    said, kind = b64(leaf_says, "a commitment", 32), {None: "sha256", "hmac-sm3": "sm3"}.get(leaf.get("commitments"))
    check(kind in hashlib.algorithms_available, "this Python can't check the leaf's kind of commitments")
    check(hmac.compare_digest(hmac.digest(salt, value, kind), said), f"{what} is not what the leaf commits to")


def canonical_time(text):
    check(match := TIME.fullmatch(text), "a time of the message is not RFC 3339")
    day, minutes, second, sign, hours, rest = match.groups()
    moment = datetime.fromisoformat(f"{day}T{minutes}{'59' if second == '60' else second}")
    if sign:
        moment -= timedelta(hours=int(sign + hours), minutes=int(sign + rest))
    return f"{moment.isoformat()[:17]}{second}Z"


def attributes(headers):
    """The CloudEvents attributes of a Kafka record in binary mode; an empty one counts as absent."""
    found = {}
    for header, value in headers:
        folded = header.lower()
        if folded != "content-type" and not folded.startswith("ce_"):
            continue
        name = "datacontenttype" if folded == "content-type" else folded[3:]
        check(header.isascii() and value is not None, "a header of the message is no attribute")
        check(folded != "ce_datacontenttype" and re.fullmatch("[a-z0-9]{1,64}", name), "a header is no attribute")
        check(name not in found, "an attribute of the message is there twice")
        found[name] = value.decode()
    kind = found.get("datacontenttype", "").lower()
    check(not kind.startswith("application/cloudevents"), "this program reads no message in structured mode")
    check(all(map(found.get, CORE[:4])) and found["specversion"] == "1.0", "the message is no CloudEvent 1.0")
    return {name: value for name, value in found.items() if value}


def digest(event, names, data=None):
    """Of the digests of these attributes, an absent one counting as empty, and of the data."""
    times = {name: canonical_time(event[name]) for name in TIMESTAMPS if name in event and name in names}
    parts = [(event | times).get(name, "").encode() for name in names] + ([] if data is None else [data])
    return hashlib.sha256(b"".join([hashlib.sha256(part).digest() for part in parts])).digest()


def read_keys(signers):
    """Key id to key, of Ed25519 JWKs."""
    keys = {}
    check(0 < len(typed(signers, list, "signers")) <= 8, "a message has 1 to 8 signers")
    for jwk in signers:
        check(isinstance(jwk, dict) and "d" not in jwk, "a signer is no public JWK")
        kind = (jwk.get("kty"), jwk.get("crv"), jwk.get("alg", "Ed25519"))
        check(kind in (("OKP", "Ed25519", "Ed25519"), ("OKP", "Ed25519", "EdDSA")), "this program checks Ed25519 alone")
        text, name = typed(jwk.get("x"), str, "a signer's x"), typed(jwk.get("kid"), str, "a signer's kid")
        check(name and name not in keys, "a signer has no kid, or that of another")
        keys[name] = b64(text + "=", "a signer's x", 32, either=True)
    return keys


def open_envelope(text, kind, keys):
    """What a DSSE envelope says, once each of these keys has signed it."""
    envelope = typed(read_json(text, "the DSSE envelope"), dict, "the DSSE envelope")
    check(envelope.get("payloadType") == kind, "the DSSE envelope is of another type")
    payload = b64(envelope.get("payload"), "the DSSE payload", either=True)
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)
    signatures = typed(envelope.get("signatures"), list, "signatures")
    check(0 < len(signatures) <= 8 and all(type(each) is dict for each in signatures), "1 to 8 signatures are taken")
    for name, key in keys.items():
        ours = [each for each in signatures if each.get("keyid") in (None, "", name)]
        holds = any(ed25519(key, signed, b64(each.get("sig"), "a signature", either=True)) for each in ours)
        check(holds, f"no signature of the message holds under the key {name}")
    return payload


def attested(event, keys):
    """The payload that the producer signed: alone, or in a batch."""
    check(sum(name in event for name in MATERIAL) == 1, "the message is not signed, or signed in two ways")
    if "dssematerial" in event:
        return open_envelope(b64(event["dssematerial"], "dssematerial", either=True), SINGLE, keys)
    material = typed(read_json(b64(event["batchmaterial"], "batchmaterial"), "batchmaterial"), dict, "batchmaterial")
    said = read_json(open_envelope(json.dumps(material.get("statement")), BATCH, keys), "the batch's statement")
    check(isinstance(said, dict) and said.get("source") == event["source"], "the batch is of another source")
    leaf = b64(material.get("nonce"), "the nonce", 16) + b64(material.get("payload"), "the batch's payload")
    path = [b64(node, "a hash of the batch", 32) for node in typed(material.get("path"), list, "the batch's path")]
    index, size = typed(material.get("index"), int, "the batch's index"), typed(said.get("size"), int, "its size")
    check(0 < size <= 65536, "the batch has no size that batches have")
    check_inclusion(leaf, index, size, path, b64(said.get("root"), "the batch's root", 32), "batch")
    return leaf[16:]


def pack(value):
    """MessagePack of lists, texts, bytes and None: how the platform packs a message as received."""
    if value is None:
        return b"\xc0"
    fixed, room, codes = {
        list: (0x90, 16, {2: 0xDC, 4: 0xDD}),
        str: (0xA0, 32, {1: 0xD9, 2: 0xDA, 4: 0xDB}),
        bytes: (0, 0, {1: 0xC4, 2: 0xC5, 4: 0xC6}),
    }[type(value)]
    body = b"".join(map(pack, value)) if type(value) is list else value.encode() if type(value) is str else value
    count = len(value) if type(value) is list else len(body)
    if count < room:
        return bytes([fixed | count]) + body
    width = next(width for width in codes if count < 1 << 8 * width)
    return bytes([codes[width]]) + count.to_bytes(width, "big") + body


def record_id(*parts):
    """The first 16 bytes of SHA-256 over `source NUL id`, and `NUL n` for an item."""
    return str(uuid.UUID(bytes=hashlib.sha256("\0".join(parts).encode()).digest()[:16]))


def check_message(message, leaf):
    members(message, "the message", ("headers", "key", "value", "digest_salt", "signers"), ("seal_salt", "item"))
    headers = []
    for pair in typed(message["headers"], list, "headers"):
        check(type(pair) is list and len(pair) == 2 and type(pair[0]) is str, "a header is no name and value")
        headers.append([pair[0], None if pair[1] is None else b64(pair[1], "a header")])
    key, value = (None if message[name] is None else b64(message[name], name) for name in ("key", "value"))
    salt = b64(message["digest_salt"], "digest_salt", 16)
    event, keys = attributes(headers), read_keys(message["signers"])
    said = typed(read_json(attested(event, keys), "the signed payload"), dict, "the signed payload")
    check(leaf.get("signer") == ",".join(sorted(keys)), "the message is not signed by the leaf's signer")
    core, names = digest(event, CORE, value or b""), said.get("signedextattrs")
    check(b64(said.get("core"), "core", either=True) == core, "attributes or data are not those that were signed")
    check(("ext" in said) == (names is not None), "ext and signedextattrs belong together")
    if names is not None:
        check(type(names) is list and 0 < len(names) == len({*map(str, names)}) <= 64, "signedextattrs is no such list")
        usable = all(type(name) is str and re.fullmatch("[a-z0-9]{1,64}", name) for name in names)
        check(usable and not {*CORE, *MATERIAL, "data"} & {*names}, "signedextattrs names what it can't")
        core += digest(event, names)
        check(b64(said["ext"], "ext", either=True) == core[32:], "extensions are not those that were signed")
    check_commitment(leaf, leaf.get("digest"), salt, core, "the signed content")
    name = record_id(event["source"], event["id"])
    said = [*map(leaf.get, ("source", "type", "message"))]
    check(said == [event["source"], event["type"], name], "the leaf is about another message")
    if "item" in message:
        check(0 <= typed(message["item"], int, "item") < 2**31, "item is out of range")
        name = record_id(event["source"], event["id"], str(message["item"]))
    check(leaf.get("record") == name, "the record of the leaf is not the one that the receipt says")
    sealed = leaf.get("fields", {}).get("evidence")
    check((sealed is None) == ("seal_salt" not in message), "seal_salt is missing, or there without need")
    if sealed is not None:
        packed = salt + pack([headers, key, value])
        check_commitment(leaf, sealed, b64(message["seal_salt"], "seal_salt", 16), packed, "the message as received")
    return keys, "all of it as received" if sealed else "what was signed: core attributes, data, signed extensions"


def thumbprint(key):  # RFC 7638
    text = b'{"crv":"Ed25519","kty":"OKP","x":"%b"}' % base64.urlsafe_b64encode(key).rstrip(b"=")
    return base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=").decode()


def proved_leaf(found, size, root):
    index, text, path = map(typed, map(found.get, PLACE), (int, str, list), PLACE)
    check(index <= MAX_NUMBER and len(path) <= 64 and len(text.encode()) <= MAX_LEAF, "a leaf is beyond any log")
    check_inclusion(text.encode(), index, size, [b64(node, "a hash of the path", 32) for node in path], root, "log")
    leaf = typed(read_json(text, "the leaf"), dict, "the leaf")
    check(type(leaf.get("v")) is int and leaf["v"] == 1, "the leaf is of another version than 1")
    return index, text, leaf


def shard_before(_, __, leaf):
    """Size and root hash of the shard before one that begins with this leaf."""
    said = typed(leaf.get("log"), dict, "log") if leaf.get("kind") == "open" else {}
    named = said.get("change") == "open" and type(said.get("size")) is int and said["size"] <= MAX_NUMBER
    check(named and re.fullmatch("[0-9a-f]{64}", str(said.get("root"))), "a leaf names no shard before its own")
    return said["size"], bytes.fromhex(said["root"])


def verify(data, vkey, origin=None, leaf_only=False):
    """What holds, as (item, detail) pairs; raises ValueError at the first thing that does not."""
    check(len(data) <= MAX_RECEIPT, "the receipt is too large")
    required = ("version", "origin", "index", "leaf", "path", "checkpoint", "fields")
    receipt = members(read_json(data, "the receipt"), "the receipt", required, ("message", "accepted"))
    check(typed(receipt["version"], int, "version") == 1, "the receipt is of another version than 1")
    note, key = typed(receipt["checkpoint"], str, "checkpoint"), read_vkey(vkey)
    check(len(note.encode()) <= MAX_NOTE, "the checkpoint is too long")
    check("message" in receipt or "accepted" not in receipt, "the receipt has no message that was accepted")
    origin = key[0] if origin is None else origin
    check(receipt["origin"] == origin, "the receipt is of another log")
    size, root = read_checkpoint(note, origin, key)
    yield "log signature", f"by {origin}, size {size}"
    index, text, leaf = proved_leaf(receipt, size, root)
    yield "inclusion", f"index {index} of {size}"
    yield "leaf", text
    if leaf_only:
        return
    said = typed(leaf.get("fields", {}), dict, "the leaf's fields")
    for name, each in typed(receipt["fields"], dict, "fields").items():
        value, salt, tier = map(members(each, "a field", ("value", "salt", "tier")).get, ("value", "salt", "tier"))
        check(1 <= typed(tier, int, "tier") <= 5 and name != "evidence", "a tier is out of range, or a field is none")
        commitment = leaf.get("label") if name == "label" else said.get(name)
        value, salt = typed(value, str, "value"), b64(salt, "a field's salt", 16)
        check_commitment(leaf, commitment, salt, value.encode(), f"field {name!r}")
        yield f"field {name}", value
    if "accepted" in receipt:
        accepted = members(receipt["accepted"], "accepted", PLACE, ("shards",))
        shards = typed(accepted.get("shards", []), list, "shards")
        check(len(shards) <= 64 and (shards or "shards" not in accepted), "shards are not 1 to 64")
        for each in shards:
            size, root = shard_before(*proved_leaf({"index": 0, **members(each, "a shard", PLACE[1:])}, size, root))
        end, (first, text, leaf) = leaf, proved_leaf(accepted, size, root)
        names = [each.get(name) for each in (leaf, end) for name in ("record", "message")]
        names += [] if {"evidence", "signer"} & {*end, *said} else [leaf.get("kind"), leaf.get("outcome")]
        ends = (first < index or shards) and end.get("kind") in ("result", "rejected") and names[0]
        check(ends and names == names[:1] * 4 + ["accepted", "deferred"], "the leaf ends no record that was accepted")
        yield "accepted leaf", f"index {first}: {text}"
    if "message" in receipt:
        keys, covered = check_message(receipt["message"], leaf)
        yield "producer signature", ", ".join(f"{name} ({thumbprint(each)})" for name, each in keys.items())
        yield "message", covered


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("receipt")
    parser.add_argument("vkey", help="the log's verifier key, or a file that holds it")
    parser.add_argument("--origin", help="the log's origin; its key's name when not given")
    parser.add_argument("--leaf-only", action="store_true", help="check neither fields nor message")
    given = parser.parse_args()
    try:
        vkey = given.vkey if "+" in given.vkey else Path(given.vkey).read_text().strip()
        with open(given.receipt, "rb") as file:
            data = file.read(MAX_RECEIPT + 1)
        for item, detail in list(verify(data, vkey, given.origin, given.leaf_only)):
            print("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in f"{item}: {detail}"))
    except (ValueError, OverflowError, RecursionError, OSError) as exc:
        sys.exit(f"refused: {exc}")


if __name__ == "__main__":
    main()
