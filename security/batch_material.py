"""`batchmaterial`: what one event of a batch carries to be verified alone. Statements are security.batch_statement.

    base64(JSON {"payload": b64(M), "nonce": b64, "statement": DSSE envelope, "index": i, "path": [b64 …]})

`payload` M is exactly what Verifiability would sign for the event. The leaf is the nonce, 16 random bytes, followed by
M: a neighbour's hash in a path tells nothing about that neighbour. All base64 is canonical.
"""

from typing import Annotated, Final, NoReturn

import msgspec

from schemas.errors import Rejection
from schemas.events.attributes import decode_base64
from schemas.reasons import Reason
from security.batch_statement import MAX_BATCH

NONCE_BYTES: Final = 16
MAX_PATH: Final = (MAX_BATCH - 1).bit_length()


class BatchMaterial(msgspec.Struct, gc=False):
    """The decoded JSON; nothing of it is verified.

    Attributes:
        payload: M, in base64.
        nonce: In base64.
        statement: The DSSE envelope as it stands there.
        index: Position in the batch.
        path: Inclusion path from the leaf's sibling upwards, in base64.
    """

    payload: str
    nonce: str
    statement: msgspec.Raw
    index: Annotated[int, msgspec.Meta(ge=0, lt=MAX_BATCH)]
    path: Annotated[list[str], msgspec.Meta(max_length=MAX_PATH)]


_MATERIAL = msgspec.json.Decoder(BatchMaterial)


def decode_material(text: str) -> tuple[BatchMaterial, bytes]:
    """Decode the attribute. Unknown members are ignored.

    Returns:
        The material, and its leaf: the nonce, then M.

    Raises:
        Rejection: `malformed`.
    """
    try:
        material = _MATERIAL.decode(decode_base64(text))
        nonce, payload = decode_base64(material.nonce), decode_base64(material.payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        _malformed("not JSON with payload, nonce, statement, index and path in canonical base64")
    if len(nonce) != NONCE_BYTES:
        _malformed(f"the nonce is not {NONCE_BYTES} bytes long")
    return material, nonce + payload


def _malformed(detail: str) -> NoReturn:
    raise Rejection(Reason.MALFORMED, f"batchmaterial: {detail}")
