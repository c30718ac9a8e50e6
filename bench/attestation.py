"""What verifying a record costs, by signature: single Ed25519 signatures against batches, on the same events.

    python -m bench.attestation

One process, CPU time, rounds interleaved; each cell is the median of its rounds. The whole is `verify_event`: material,
signature, digests, view. Attestation is the part of it that a batch replaces: the material, the keys and the signature.
"""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from schemas.events import Event
from security.batch_signing import batch_materials
from security.batch_statement import StatementCache
from security.key_registry import KeyRegistry, SigningKey
from security.signing import Ed25519Signer, Signer
from security.verifiability import attested_payload, verify_event, with_signature

EVENTS: Final = 2_048
ROUNDS: Final = 15
BATCHES: Final = (1, 16, 256)
PAYLOAD_BYTES: Final = 300
SOURCE: Final = "urn:bench"
SIGNED: Final = ("datalevel",)


def main() -> None:
    """Measure and print."""
    signer = Ed25519Signer("bench", b"b" * 32)
    registry = _registry(signer)
    plain = [_event(number) for number in range(EVENTS)]
    kinds = {"single": [with_signature(event, signer, SIGNED) for event in plain]}
    kinds |= {f"batch of {size}": _batched(plain, size, signer) for size in BATCHES}
    whole: dict[str, list[float]] = {name: [] for name in kinds}
    attestation: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, events in kinds.items():
            whole[name].append(_microseconds(events, lambda event, kept: verify_event(event, registry, 0, kept)))
            attestation[name].append(
                _microseconds(events, lambda event, kept: attested_payload(event, registry, 0, kept))
            )
    print(f"verifying {EVENTS} events of {PAYLOAD_BYTES} bytes, CPU µs a record, median of {ROUNDS} rounds")
    print(f"{'':14}{'whole':>9}{'ratio':>8}{'attestation':>14}{'ratio':>8}")
    for name in kinds:
        ratio, part = _ratio(whole, name), _ratio(attestation, name)
        print(
            f"{name:14}{statistics.median(whole[name]):9.1f}{ratio:8.3f}"
            f"{statistics.median(attestation[name]):14.1f}{part:8.3f}"
        )


def _ratio(found: dict[str, list[float]], name: str) -> float:
    """Against single signatures, round by round: what else the machine does hits both."""
    return statistics.median([mine / single for mine, single in zip(found[name], found["single"], strict=True)])


def _microseconds(events: Sequence[Event], verify: Callable[[Event, StatementCache], object]) -> float:
    kept = StatementCache()
    started = time.process_time()
    for event in events:
        verify(event, kept)
    return (time.process_time() - started) / len(events) * 1e6


def _batched(events: Sequence[Event], size: int, signer: Signer) -> list[Event]:
    batched = []
    for start in range(0, len(events), size):
        batch = events[start : start + size]
        materials = batch_materials([(event, SIGNED) for event in batch], [signer], os.urandom)
        batched += [
            msgspec.structs.replace(event, batchmaterial=material.decode())
            for event, material in zip(batch, materials, strict=True)
        ]
    return batched


def _event(number: int) -> Event:
    return Event(
        id=f"payment-{number:08}",
        source=SOURCE,
        type="io.sealstream.transaction.v1",
        datacontenttype="application/json",
        time="2026-01-05T08:00:00Z",
        data=os.urandom(PAYLOAD_BYTES),
        extensions={"datalevel": "3"},
    )


def _registry(signer: Signer) -> KeyRegistry:
    key = SigningKey(
        key_id=signer.key_id,
        algorithm=signer.algorithm,
        public_key=signer.public_key,
        tenant="t",
        domain="d",
        sources=(SOURCE,),
    )
    return KeyRegistry([key])


if __name__ == "__main__":
    main()
