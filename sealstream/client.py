"""Signing what a producer publishes, for any Kafka client; verifiers' rules are held here, before anything is sent.

    signer = Signer.from_key_file("bank-1.jwk", source="urn:bank-a:core")
    record = signer.sign(Message(id="42", type="io.sealstream.transaction.v1", data=payment))
    producer.send("transactions", value=record.value, key=record.key, headers=record.headers)

Sending is the Kafka client's; the platform's own way of it is sealstream.producing.publish. Imports nothing
of the platform but what signs: no broker, no database, no model.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from schemas.errors import ConfigurationError, Rejection
from schemas.events import AttributeValue, Event, binary_headers, canonical_text, decode_event
from schemas.events.attributes import MAX_MESSAGE_BYTES
from schemas.sequence import SEQUENCE, parse_sequence
from security import signing
from security.batch_signing import batch_materials
from security.dsse import MAX_SIGNATURES
from security.key_files import load_signer
from security.key_registry import KeyRegistry, SigningKey
from security.signed_payload import SigningRefusedError
from security.source_policy import SourcePolicy
from security.verifiability import verify_event, with_signature

__all__ = ["UNSIGNED_EXTENSIONS", "Message", "SignedRecord", "Signer", "SigningRefusedError"]

UNSIGNED_EXTENSIONS: Final = frozenset({"partitionkey", "traceparent", "tracestate"})
"""Hops may change these, so they travel beside the signature; every other extension is signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What to sign: a CloudEvent but for its source and its signature.

    Attributes:
        id: Unique for each message of the source. The same again, with the same content, is a repeat; with other
            content it is a contradiction.
        type: CloudEvents type, such as `io.sealstream.transaction.v1`.
        data: The payload. These bytes are signed and sent.
        datacontenttype: Media type of `data`; always there, since a translation between content modes may add it.
        time: When it happened, RFC 3339; whole seconds are signed.
        subject: What it is about, within the source.
        dataschema: URI of the schema that `data` follows.
        extensions: Extension attributes: `sequence`, `datalevel`, `expirytime` and others, all of them signed but
            `UNSIGNED_EXTENSIONS`.
        key: Kafka key; the id when not given, so that a repeat lands in the same partition.
    """

    id: str
    type: str
    data: bytes = field(repr=False)
    datacontenttype: str = "application/json"
    time: str | None = None
    subject: str | None = field(default=None, repr=False)
    dataschema: str | None = None
    extensions: Mapping[str, AttributeValue] = field(default_factory=dict, repr=False)
    key: bytes | None = field(default=None, repr=False)


class SignedRecord(NamedTuple):
    """A Kafka record: a signed CloudEvent in binary mode.

    Attributes:
        headers: Name and value, in the form that Kafka clients for Python take.
        value: The payload as it was given.
        key: Of the record.
    """

    headers: list[tuple[str, bytes]]
    value: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"<SignedRecord, {len(self.value)} bytes of data>"


class Signer:
    """Signs a source's messages with one key, or with several where the source's policy wants several.

    What it hands out passes verification by whoever trusts its keys. The first record is verified as a receiver would:
    a device that signs in another form than its key's record says is found before anything is sent.

    Args:
        source: CloudEvents source of all messages; the keys must be bound to it.
        keys: The keys that sign, each in a file, a vault or an HSM; all of them sign every message.

    Raises:
        SigningRefusedError: The source is none, there is no key or more than verifiers take, or one is given twice.
    """

    def __init__(self, source: str, *keys: signing.Signer) -> None:
        if not source:
            raise SigningRefusedError("a source is needed: the name that the keys are bound to")
        if not 1 <= len(keys) <= MAX_SIGNATURES:
            raise SigningRefusedError(f"1 to {MAX_SIGNATURES} keys can sign")
        if len({key.public_key for key in keys}) < len(keys) or len({key.key_id for key in keys}) < len(keys):
            raise SigningRefusedError("a key, or its name, is given twice; verifiers count distinct keys")
        self.source = source
        self._keys = keys
        self._proven = False

    def __repr__(self) -> str:
        return f"Signer({self.source!r}, {', '.join([key.key_id for key in self._keys])})"

    @classmethod
    def from_key_file(cls, path: str | Path, *cosigners: str | Path, source: str) -> "Signer":
        """A signer with private keys from JWK files, mode 0600, as `sealstream keys generate` makes them.

        Raises:
            ConfigurationError: A file is missing, open to others or too big.
            InvalidKeyError: One is not a private key that we can use.
            SigningRefusedError: As the class.
        """
        return cls(source, *[load_signer(Path(each)) for each in (path, *cosigners)])

    def sign(self, message: Message) -> SignedRecord:
        """Make the record of a message, under a signature of its own by each key.

        Raises:
            SigningRefusedError: Verifiers would refuse it; the text says why.
        """
        event = self._event(message)
        first, *others = self._keys
        return self._record(message, with_signature(event, first, _signed_names(event), others))

    def sign_batch(self, messages: Sequence[Message]) -> list[SignedRecord]:
        """Make the records of messages, in order, under one signature of each key; each record is verifiable alone.

        Raises:
            SigningRefusedError: Verifiers would refuse one of them, or there are more than a batch holds.
        """
        if not messages:
            return []
        events = [self._event(message) for message in messages]
        materials = batch_materials([(event, _signed_names(event)) for event in events], self._keys, os.urandom)
        return [
            self._record(message, msgspec.structs.replace(event, batchmaterial=material.decode()))
            for message, event, material in zip(messages, events, materials, strict=True)
        ]

    def _event(self, message: Message) -> Event:
        """The event to sign, as receivers will read it."""
        if len(message.data) > MAX_MESSAGE_BYTES:
            raise SigningRefusedError(f"the data is longer than {MAX_MESSAGE_BYTES} bytes")
        try:
            event = Event(
                id=message.id,
                source=self.source,
                type=message.type,
                datacontenttype=message.datacontenttype,
                dataschema=message.dataschema,
                subject=message.subject,
                time=message.time,
                data=message.data,
                extensions=dict(message.extensions),
            )
            read = decode_event(binary_headers(event), message.data)
        except Rejection as rejection:
            raise SigningRefusedError(f"receivers would refuse it: {rejection.detail}") from None
        except ValueError as exc:  # lone surrogates have no bytes; the text of that error repeats the value
            text = "an attribute is not Unicode text" if isinstance(exc, UnicodeError) else str(exc)
            raise SigningRefusedError(text) from None
        if read.dssematerial or read.batchmaterial:
            raise SigningRefusedError("an extension names signature material, which only signing makes")
        if (number := read.extensions.get(SEQUENCE)) is not None:
            try:
                parse_sequence(canonical_text(number))
            except Rejection as rejection:
                raise SigningRefusedError(f"receivers would refuse it: {rejection.detail}") from None
        # An empty attribute has the digest of an absent one, so receivers can't tell whether somebody removed it.
        optional = (message.datacontenttype, message.dataschema, message.subject, message.time)
        if "" in optional or "" in message.extensions.values():
            raise SigningRefusedError("an attribute is empty: leave it out")
        return read

    def _record(self, message: Message, event: Event) -> SignedRecord:
        headers = binary_headers(event)
        if not self._proven:
            self._prove(headers, message.data)
        return SignedRecord(headers, message.data, message.id.encode() if message.key is None else message.key)

    def _prove(self, headers: list[tuple[str, bytes]], value: bytes) -> None:
        try:
            keys = [
                SigningKey(
                    key_id=key.key_id,
                    algorithm=key.algorithm,
                    public_key=key.public_key,
                    encoding=key.jwk.encoding,
                    signer_id=key.jwk.signer_id,
                    tenant="producer",
                    domain="producer",
                    sources=(self.source,),
                )
                for key in self._keys
            ]
            registry = KeyRegistry(keys, [SourcePolicy(source=self.source, signatures=len(keys))])
            verify_event(decode_event(headers, value), registry, 0)
        except (Rejection, ConfigurationError) as exc:
            raise SigningRefusedError(f"what these keys sign does not verify under their public halves: {exc}") from exc
        self._proven = True


def _signed_names(event: Event) -> tuple[str, ...]:
    return tuple([name for name in event.extensions if name not in UNSIGNED_EXTENSIONS])
