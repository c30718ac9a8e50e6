"""A request for more than the standing tier: what for, of what, and until when. What comes of it is approval."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from schemas.errors import ConfigurationError
from security.access.person import Duty

MAX_TEXT: Final = 2_000
MAX_FIELDS: Final = 256
MAX_RECORDS: Final = 1_000
MAX_QUOTA: Final = 1_000_000
LONGEST: Final = dt.timedelta(days=366)

STEPS: Final[Mapping[int, tuple[Duty, ...]]] = MappingProxyType(
    {
        1: (Duty.UNIT_HEAD,),
        2: (Duty.UNIT_HEAD, Duty.DATA_PROVIDER),
        3: (Duty.UNIT_HEAD, Duty.DATA_PROVIDER, Duty.EXCHANGE_AUTHORITY),
    }
)
"""Whose steps an approval of each level takes, in order."""

CONTEXT: Final = b"sealstream/access-request/v1\0"
"""Hashed before a request, and before a refusal's salt and reason."""
_ENCODER: Final = msgspec.json.Encoder(order="sorted")


class AccessRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks for. Times are RFC 3339 in UTC.

    Attributes:
        id: A UUID.
        requester: Who asks, for themself.
        unit: Theirs: tenant and department.
        reason: In their words.
        purpose: For which it holds; what a look then has to state.
        basis: The legal one.
        level: How many steps it takes.
        provider: Tenant and domain whose records are asked for.
        kind: Of record.
        fields: Which of their fields.
        records: Ids; empty for all of that kind.
        quota: How many records may be read by it.
        made: When it was made.
        deadline: Until then all steps are taken, or it comes to nothing.
        step_seconds: How long one step may take until somebody of the exchange authority may take it.
        ends: What was approved ends then.
        salt: Random, hex: the digest stands in the log, and gives nothing of this away.
    """

    v: Literal[1] = 1
    id: str
    requester: str
    unit: tuple[str, str]
    reason: str
    purpose: str
    basis: str
    level: int
    provider: tuple[str, str]
    kind: str
    fields: tuple[str, ...]
    records: tuple[str, ...] = ()
    quota: int
    made: str
    deadline: str
    step_seconds: int
    ends: str
    salt: str

    def encode(self) -> bytes:
        """Its canonical bytes."""
        return _ENCODER.encode(self)

    def digest(self) -> str:
        """Commits to all of it, and is what every step signs; hex."""
        return hashlib.sha256(CONTEXT + self.encode()).hexdigest()

    def check(self) -> None:
        """See that it can be decided over.

        Raises:
            ConfigurationError: It lacks something, or asks for too much at once.
        """
        if self.level not in STEPS:
            raise ConfigurationError(f"an approval has a level of 1 to {max(STEPS)}")
        for name in ("reason", "purpose", "basis", "kind"):
            if not 0 < len(getattr(self, name).strip()) <= MAX_TEXT:
                raise ConfigurationError(f"a request states its {name}, in at most {MAX_TEXT} characters")
        if not 0 < len(self.fields) <= MAX_FIELDS or len(set(self.fields)) != len(self.fields):
            raise ConfigurationError(f"a request names 1 to {MAX_FIELDS} fields, each once")
        if len(self.records) > MAX_RECORDS or not 0 < self.quota <= MAX_QUOTA:
            raise ConfigurationError(f"a request is for 1 to {MAX_QUOTA} records, and names at most {MAX_RECORDS}")
        made, deadline, ends = map(moment, (self.made, self.deadline, self.ends))
        if not made < deadline <= ends <= made + LONGEST or self.step_seconds <= 0:
            raise ConfigurationError("a request is decided before it ends, and ends within a year")
        if len(self.salt) != 32:
            raise ConfigurationError("a request has a salt of 16 bytes")

    def reason_digest(self, reason: str) -> str:
        """What the log says of the reason of a refusal."""
        return hashlib.sha256(CONTEXT + bytes.fromhex(self.salt) + reason.encode()).hexdigest()


def moment(text: str) -> dt.datetime:
    """A time as a request or an act says it."""
    return dt.datetime.fromisoformat(text)
