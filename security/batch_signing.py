"""Batch attestation, the producer's side: one signature for many events, each of which stays verifiable alone.

Verifying is security.verifiability; the forms are security.batch_material and security.batch_statement.
"""

from binascii import b2a_base64
from collections.abc import Callable, Sequence

from schemas.events import Event
from security.batch_material import NONCE_BYTES
from security.batch_statement import (
    BATCH_PAYLOAD_TYPE,
    MAX_BATCH,
    MAX_STATEMENT_BYTES,
    StatementContent,
    encode_content,
)
from security.dsse import encode_envelope
from security.merkle import leaf_hash, root_and_paths
from security.signed_payload import SigningRefusedError, payload_to_sign
from security.signing import Signer, signed_envelope


def batch_materials(
    events: Sequence[tuple[Event, Sequence[str]]],
    signers: Sequence[Signer],
    random: Callable[[int], bytes],
) -> list[bytes]:
    """Attest events of one source; returns each one's `batchmaterial`, in order.

    Args:
        events: With the names of their extensions to sign, as `security.verifiability.sign_event` takes them.
        signers: The keys that sign the statement; several where a policy wants several.
        random: Gives that many random bytes: a nonce that can be guessed lets neighbours' contents be guessed.

    Raises:
        SigningRefusedError: There are no events or too many, they are of several sources, or one can't be signed.
    """
    sources = {event.source for event, _ in events}
    if len(sources) != 1 or len(events) > MAX_BATCH:
        raise SigningRefusedError(f"a batch is 1 to {MAX_BATCH} events of one source")
    payloads = [payload_to_sign(event, extensions) for event, extensions in events]
    nonces = random(NONCE_BYTES * len(events))
    nonce_of = [nonces[at : at + NONCE_BYTES] for at in range(0, len(nonces), NONCE_BYTES)]
    leaves = [leaf_hash(nonce + payload) for nonce, payload in zip(nonce_of, payloads, strict=True)]
    root, paths = root_and_paths(leaves)
    content = encode_content(StatementContent(root, len(events), sources.pop()))
    statement = encode_envelope(signed_envelope(BATCH_PAYLOAD_TYPE, content, signers))
    if len(statement) > MAX_STATEMENT_BYTES:
        raise SigningRefusedError(f"the statement is longer than {MAX_STATEMENT_BYTES} bytes: shorten the keys' names")
    # A node is on the path of half the batch, so each is spelled once.
    texts = {node: b'"%b"' % _base64(node) for node in {node for path in paths for node in path}}
    return [
        _base64(
            b'{"payload":"%b","nonce":"%b","statement":%b,"index":%d,"path":[%b]}'
            % (_base64(payload), _base64(nonce), statement, index, b",".join([texts[node] for node in path]))
        )
        for index, (payload, nonce, path) in enumerate(zip(payloads, nonce_of, paths, strict=True))
    ]


def _base64(value: bytes) -> bytes:
    return b2a_base64(value, newline=False)
