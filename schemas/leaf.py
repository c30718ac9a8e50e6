"""The audit leaf: one JSON object in RFC 8785 form. Built by agents.commits.leaves, hashed by security.merkle."""

from collections.abc import Mapping
from typing import Final, Generic, TypeVar

import msgspec

from schemas.errors import VerificationFailed
from schemas.log_change import LogChange

MAX_LEAF_BYTES: Final = 65_535
"""The entry bundles of C2SP tlog-tiles give an entry's length as a uint16."""

LEAF_VERSION: Final = 1

# "deterministic" sorts the names of `fields` and leaves members in the order of their declaration.
_ENCODER = msgspec.json.Encoder(order="deterministic")

Commitment = TypeVar("Commitment")


class Span(msgspec.Struct, frozen=True, rename={"start": "from", "end": "to"}):
    """Offsets of one partition, from `from` to before `to`. Members are in sorted order, as those of the leaf."""

    start: int
    partition: int
    end: int
    topic: str


class KeyChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a change of the producers' key registry left behind: the whole record of a key, or a source's policy.

    Members are in sorted order, as those of the leaf. Times are RFC 3339 in UTC, microseconds.

    Attributes:
        algorithm: The only one that the key verifies with.
        algorithms: Of a policy: those that count; empty or absent means all.
        certificates: SHA-256 of the certificates it was imported with, base64url as in `x5t#S256` (RFC 7515): its own
            first, the trust anchor last.
        change: `register`, `limit` (its validity ends earlier), `revoke`, `policy`, or `confirm`: what an operator
            vouches for that was registered before changes had leaves. `subscribe` and `unsubscribe` are about an
            endpoint, without a key.
        crl: Of a revocation: SHA-256 of the revocation list that brought it, base64url.
        domain: The department whose data it signs.
        encoding: How its signatures are written, where that is not `raw`.
        expiry: Of a policy: whether events are refused after their `expirytime`.
        follows: The key that a new one takes over from.
        id: Name of the key.
        max_age_ms: Of a policy: how long ago an event's `time` may be.
        max_ahead_ms: Likewise, how far ahead.
        not_after: End of validity, exclusive.
        not_before: Start of validity, inclusive.
        revoked: From then on the key counts for nothing.
        signatures: Of a policy: how many distinct keys must sign.
        signer_id: The ID of an SM2 signer.
        since: Of a policy: when it takes effect.
        sources: What the key may sign for, or the one source of a policy.
        subscription: URL of the endpoint whose JWK Set the key came from.
        thumbprint: Of the public key (RFC 7638).
    """

    algorithm: str | None = None
    algorithms: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    change: str
    crl: str | None = None
    domain: str | None = None
    encoding: str | None = None
    expiry: bool = False
    follows: str | None = None
    id: str | None = None
    max_age_ms: int | None = None
    max_ahead_ms: int | None = None
    not_after: str | None = None
    not_before: str | None = None
    revoked: str | None = None
    signatures: int | None = None
    signer_id: str | None = None
    since: str | None = None
    sources: tuple[str, ...]
    subscription: str | None = None
    thumbprint: str | None = None


class TierKeyChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a change of a scope's tier keys left behind. Members are in sorted order, as those of the leaf.

    Attributes:
        change: `rotate` (this epoch seals from now on), `rewrap` (the same tier key, under another key of the
            provider), `shred` (the provider's key is to be destroyed), `begin_reseal` (what former epochs sealed is to
            be sealed under this one), or `reseal` (that is done, and the leaf's `count` says how many rows it was).
        domain: The department whose data the key covers.
        epoch: Of the scope, from 1.
        follows: What was before: of `rotate` the name of the tier key that sealed, of `rewrap` the provider's name of
            the key that wrapped this one.
        id: Name of the tier key.
        kek: The provider's name of the key that wraps it.
        retire: Of `rewrap`: the provider's former keys are to be destroyed.
        suite: What it seals with; absent for AES-256-GCM.
        tier: 1 to 5.
        wrapped: SHA-256 of the tier key as it is stored, wrapped; absent once shredded.
    """

    change: str
    domain: str
    epoch: int
    follows: str | None = None
    id: str
    kek: str
    retire: bool = False
    suite: str | None = None
    tier: int
    wrapped: str | None = None


class IndexKeyChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a change of the key of a field's blind terms left behind. Members are in sorted order.

    Attributes:
        change: `rotate` (this version makes terms from now on) or `retire` (no term of former ones is left; the leaf's
            `count` says how many were exchanged).
        field: The searchable field.
        version: Of the key, from 1; before the first change it is 0.
    """

    change: str
    field: str
    version: int


class ModelChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a change of the model registry left behind: the whole record of one version. Members are in sorted order.

    Attributes:
        card: SHA-256 of its card, hex.
        change: `add`, `evaluate` (its metrics are others), `activate`, `rollback` (it is active again), `end` (it is on
            trial no more), or `retire`.
        digest: Of the manifest, which names all its files by theirs.
        follows: The version that was active before it.
        loss: Of an activation: by how much it might be worse than the one before on the same data.
        metrics: SHA-256 of what is recorded of its evaluations, hex.
        name: Of the model.
        reason: Of an activation without an evaluation: why.
        shadow: It runs beside the active version from then on, and its answers are not used.
        share: Percent of the records that it answers as a candidate from then on.
        stage: `candidate`, `active` or `retired`.
        version: Of the model.
    """

    card: str
    change: str
    digest: str
    follows: str | None = None
    loss: str | None = None
    metrics: str
    name: str
    reason: str | None = None
    shadow: bool = False
    share: int = 0
    stage: str
    version: str


class AccessChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An act of access control: who is who, what holds, what was asked for and what came of it. Members are sorted.

    What somebody signs with their own key is this, without `assertion`, after the log's origin: an approval is a
    signature, and the leaf alone is enough to check it; see security.access.assertion.

    Attributes:
        assertion: By the key in `key`: a signature, or what a browser's authenticator gives (JSON).
        at: When it was signed, RFC 3339 in UTC, by the signer's clock.
        change: `person` (this is a person's record from now on), `api_key`, `revoke_api_key`, `propose` and `adopt` (a
            version of the policies), `propose_entry` and `adopt_entry` (of the catalogue), `request`, `approve`,
            `refuse`, `delegate` or `revoke` (a request for access), `change_keys`, `change_models` or `erase_records`
            (what the commit's leaves of that kind say).
        digest: Commitment to the request, the policies, the entry or the change that it is about, hex.
        duties: Of a person: which steps of approvals are theirs.
        id: Of an API key; of an entry of the catalogue, the kind of record.
        jwk: A person's public key.
        key: Thumbprint of the signer's key (RFC 7638).
        level: Of a request: how many steps it takes.
        person: Of whom it speaks; a pseudonym.
        reason: Digest of a refusal's reason, salted by the request's.
        roles: Of a person.
        step: Which step of the request, from 1.
        tier: Standing tier of a person, or of an API key.
        to: Thumbprint of the key of whom a step is delegated to.
        unit: A person's tenant and department, with a slash between.
        until: An API key's end.
        version: Of the policies, or of the entry.
    """

    assertion: str | None = None
    at: str | None = None
    change: str
    digest: str | None = None
    duties: tuple[str, ...] = ()
    id: str | None = None
    jwk: Mapping[str, str] | None = None
    key: str | None = None
    level: int | None = None
    person: str | None = None
    reason: str | None = None
    roles: tuple[str, ...] = ()
    step: int | None = None
    tier: int | None = None
    to: str | None = None
    unit: str | None = None
    until: str | None = None
    version: int | None = None


class _Entry(msgspec.Struct, Generic[Commitment], frozen=True, kw_only=True, omit_defaults=True):
    """One entry of a tenant's log. Members are declared in sorted order: that order is the RFC 8785 form.

    There is no float and no plaintext of a sealed field. Values that could be guessed (digests, labels above tier 1)
    are commitments: base64 of HMAC(salt, value), the salt sealed beside the value; `commitments` says with which hash.

    Attributes:
        access: An act of access control.
        actor: Who acted, for leaves that a person or an operator's process caused; a pseudonym.
        commit: The commit that brought the leaf.
        commitments: `hmac-sm3` where the leaf's commitments are made with SM3; absent for HMAC-SHA-256.
        count: How many transactions an accepted message makes; how many records a read showed, or a batch holds that
            can't be unpacked; how many numbers of a sequence are missing or arrived; of a review,
            which decision about its record it is.
        decision: Of a look by somebody's right, a commitment to the decisions that are sealed beside it. Of a deferred
            record: when it is accepted, the plan (lane, deadline, models); when it is done, the scheduler's explanation
            of each batch it was answered in. Canonical JSON.
        digest: Commitment to the record's Verifiability digests (core, then ext).
        fields: Field name to commitment.
        first: Where an earlier leaf stands, as `origin#index`: of a replay, that of the dead letter; of a record that
            was processed again after its rows were lost, the first one; of a recovered log, where the leaves begin that
            were brought back.
        grant: Of a look: digests of the requests for access that opened more of it, with commas between.
        index_key: Of a change of the key of blind terms: which one.
        kind: One of the kinds of the interface, for example `result`.
        label: The decision, a model's or of a review a person's: plain at tier 1, otherwise a commitment.
        linked: The earlier record that a note points to; of a replay, the dead letter; of a review, what it supersedes:
            the record, or the name of the review before it.
        log: Of a closing or an opening: which log it goes on as, or how the one before ended.
        message: The message the record came in.
        model: Name, version and digest of the model that decided.
        model_change: Of a change of the model registry: which version, and how it stands from then on.
        note: A remark, for example `duplicate_entry`.
        outcome: What became of the record, for example `booked` or `rejected`.
        policy: Of a look by somebody's right: version and digest of the policies, as `3@…`.
        purpose: Of a look, a commitment to what it was for; of a deliberate act, to its reason.
        reason: The reason code of a rejection.
        received: Of a rejection: the moment by which keys were judged, and are again when it is replayed.
        record: The record's id.
        schema: Of a registered record, what its fields are described under.
        sequence: Of an `order` note, the numbers it is about: `5` or `5-9`.
        signer: Key id of the verified signature.
        source: CloudEvents source of a verified record.
        span: Of a batch that can't be unpacked, the offsets passed over; of a recovery, where a watermark was moved
            from and to, -1 standing for no position.
        tier_key: Of a change of tier keys: which one, and how it is stored from then on.
        time: When the platform decided, RFC 3339 in UTC, milliseconds.
        type: CloudEvents type of a verified record.
        unit: Merkle root over the ids that one response disclosed.
    """

    access: AccessChange | None = None
    actor: str | None = None
    basis: str | None = None
    commit: int
    commitments: str | None = None
    count: int | None = None
    decision: str | None = None
    digest: Commitment | None = None
    fields: Mapping[str, Commitment] | None = None
    first: str | None = None
    grant: str | None = None
    index_key: IndexKeyChange | None = None
    key: KeyChange | None = None
    kind: str
    label: str | Commitment | None = None
    linked: str | None = None
    log: LogChange | None = None
    message: str | None = None
    model: str | None = None
    model_change: ModelChange | None = None
    note: str | None = None
    outcome: str | None = None
    policy: str | None = None
    purpose: str | None = None
    reason: str | None = None
    received: str | None = None
    record: str | None = None
    rules: str | None = None
    schema: str | None = None
    sequence: str | None = None
    signer: str | None = None
    source: str | None = None
    span: Span | None = None
    tier_key: TierKeyChange | None = None
    time: str
    type: str | None = None
    unit: str | None = None
    v: int  # no default, or it would be left out


class Leaf(_Entry[str], frozen=True):
    """An entry as it stands in the log, commitments in base64."""


class NewLeaf(_Entry[bytes], frozen=True):
    """An entry that is being made, commitments as bytes: the encoder turns them into base64 as it writes them."""


_DECODER: Final = msgspec.json.Decoder(Leaf)


def encode_leaf(leaf: Leaf | NewLeaf) -> bytes:
    """The leaf's bytes in RFC 8785 form: sorted members, no whitespace, UTF-8, absent members left out.

    Names in `fields` are our own lower-case ASCII or a registered schema's: they are sorted by their bytes.

    Raises:
        ValueError: The leaf is longer than a log entry may be; the caller bounds what goes in.
    """
    body = _ENCODER.encode(leaf)
    if len(body) > MAX_LEAF_BYTES:
        raise ValueError(f"a leaf of {len(body)} bytes exceeds the {MAX_LEAF_BYTES} a log entry may have")
    return body


def decode_leaf(body: bytes) -> Leaf:
    """Read a leaf back.

    Raises:
        VerificationFailed: The bytes are not a leaf of a version this code reads.
    """
    try:
        leaf = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise VerificationFailed("a log entry is not a leaf in the expected form") from exc
    if leaf.v != LEAF_VERSION:
        raise VerificationFailed(f"a log entry has leaf version {leaf.v}; this program reads {LEAF_VERSION}")
    return leaf
