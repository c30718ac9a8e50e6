"""What every field's encryption is bound to, as associated data.

Length-prefixed: format version, pass, tenant, domain, record id, field, tier, tier key id.
"""

from functools import lru_cache
from typing import Final

from security.associated_data import length_prefixed
from security.commitment import Commitments

EVIDENCE_FIELD: Final = "evidence"
"""Name under which a message's own bytes are sealed; no field of a record may have it."""

_FIELD_FORMATS: Final = {Commitments.SHA256: "sealstream.field/1", Commitments.SM3: "sealstream.field/2"}


# All records of a page are often of one pass.
@lru_cache(maxsize=256)
def domain_head(kind: Commitments, pass_id: int, tenant: str, domain: str) -> bytes:
    """What the fields of all records of one pass and domain begin with; the record id comes next."""
    return length_prefixed(_FIELD_FORMATS[kind], pass_id, tenant, domain)


# The same for every pass under a tier key: small passes would spend more on these than on sealing. Bounded, because
# names also come from stored blobs, which may be damaged.
@lru_cache(maxsize=4096)
def field_tail(name: str, tier: int, tier_key_id: str) -> bytes:
    """What stands after the record id."""
    return length_prefixed(name, tier, tier_key_id)
