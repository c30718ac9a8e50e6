"""The producers' keys: which key may sign for which sources, in whose name, and when.

A registry is an immutable snapshot; whoever loads keys makes a new one and swaps it in. Storing keys is streams.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from schemas.errors import ConfigurationError
from schemas.reasons import Reason
from security.jwk import Jwk
from security.public_key import PublicKey
from security.signatures import Algorithm, SignatureEncoding, Verify, verifier
from security.source_patterns import Patterns, milliseconds
from security.source_policy import SourcePolicies, SourcePolicy

MAX_CANDIDATES = 8
"""Keys tried for a signature without a key id: the newest of those bound to its source."""

_FOR_EVER = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A producer's key and what it is good for.

    Attributes:
        key_id: Unique among all tenants' keys.
        algorithm: The only one this key verifies with.
        public_key: The key.
        encoding: How its ECDSA or SM2 signatures are written.
        signer_id: The ID that SM2 hashes in with each message.
        tenant: Whose records these are.
        domain: The department or unit that owns the data.
        sources: Event sources it may sign for: exact, or a prefix that ends in `*`. End a prefix with a separator:
            `bank*` covers `bankrupt` too.
        types: Event types it may sign, in the same notation; empty means any.
        not_before: Start of validity, inclusive.
        not_after: End of validity, exclusive.
        revoked_at: From this moment on the key counts for nothing. May lie in the past.

    Raises:
        ConfigurationError: Patterns, times, or the pair of algorithm and key don't fit.
    """

    key_id: str
    algorithm: Algorithm
    public_key: PublicKey
    tenant: str
    domain: str
    sources: tuple[str, ...]
    types: tuple[str, ...] = ()
    not_before: dt.datetime | None = None
    not_after: dt.datetime | None = None
    revoked_at: dt.datetime | None = None
    encoding: SignatureEncoding = SignatureEncoding.RAW
    signer_id: str | None = None
    verify: Verify = field(init=False, repr=False, compare=False)
    _covered: tuple[Patterns, Patterns | None] = field(init=False, repr=False, compare=False)
    _window: tuple[int, int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.key_id or not self.sources:
            raise ConfigurationError("a key needs an id and at least one source")
        record = Jwk(self.public_key, self.algorithm, self.key_id, self.encoding, self.signer_id)
        owner = f"key {self.key_id!r}"
        covered = Patterns(owner, self.sources), Patterns(owner, self.types) if self.types else None
        window = (
            milliseconds(owner, self.not_before, -_FOR_EVER),
            milliseconds(owner, self.not_after, _FOR_EVER),
            milliseconds(owner, self.revoked_at, _FOR_EVER),
        )
        object.__setattr__(self, "verify", verifier(record))
        object.__setattr__(self, "_covered", covered)
        object.__setattr__(self, "_window", window)

    def covers(self, source: str, event_type: str) -> bool:
        """Whether events of this source and type are this key's to sign."""
        sources, types = self._covered
        return sources.match(source) and (types is None or types.match(event_type))

    def refusal(self, at_ms: int) -> Reason | None:
        """Why the key does not count at a moment (milliseconds since 1970), or None when it does.

        A key that is not valid yet is `key_expired` too: outside its validity.
        """
        not_before, not_after, revoked_at = self._window
        if at_ms >= revoked_at:
            return Reason.KEY_REVOKED
        if not not_before <= at_ms < not_after:
            return Reason.KEY_EXPIRED
        return None

    def overlaps(self, other: "SigningKey") -> bool:
        """Whether there is a moment at which both keys count."""
        start = max(self._window[0], other._window[0])
        return start < min(*self._window[1:], *other._window[1:])


class KeyRegistry:
    """All keys and policies known at one moment.

    Args:
        keys: The keys.
        policies: For the sources that have one; any key bound to another source may sign alone.

    Raises:
        ConfigurationError: Two keys share an id, or two tenants' keys cover a common source at the same time: the
            tenant of a record would then be whatever its signer chose.
    """

    def __init__(self, keys: Iterable[SigningKey], policies: Iterable[SourcePolicy] = ()) -> None:
        newest_first = sorted(keys, key=lambda key: key._window[0], reverse=True)
        self._by_id = {key.key_id: key for key in newest_first}
        if len(self._by_id) != len(newest_first):
            ((shared, _),) = Counter(key.key_id for key in newest_first).most_common(1)
            raise ConfigurationError(f"two keys share a key id, {shared!r}; give each key an id of its own")
        _refuse_shared_sources(newest_first)
        self._exact: dict[str, list[SigningKey]] = defaultdict(list)
        self._prefixes: dict[str, list[SigningKey]] = defaultdict(list)
        for key in newest_first:
            for pattern in set(key.sources):
                if pattern.endswith("*"):
                    self._prefixes[pattern[:-1]].append(key)
                else:
                    self._exact[pattern].append(key)
        self._prefix_lengths = sorted({len(prefix) for prefix in self._prefixes}, reverse=True)
        self._policies = SourcePolicies(policies)

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, key_id: str) -> SigningKey | None:
        """The key of that id, whatever it is bound to."""
        return self._by_id.get(key_id)

    def policy(self, source: str, at_ms: int) -> SourcePolicy:
        """The policy in force for a source at a moment (milliseconds since 1970)."""
        return self._policies.in_force(source, at_ms)

    def candidates(self, source: str, event_type: str, key_id: str | None) -> Sequence[SigningKey]:
        """Keys that may have signed an event, valid or not; empty when none is bound to it.

        Args:
            source: The event's source.
            event_type: The event's type.
            key_id: The signature's hint. It narrows the choice to that key and never widens it.

        Returns:
            At most `MAX_CANDIDATES` keys, the exactly bound ones first, then by the longest prefix; the newest first.
        """
        if key_id is not None:
            key = self._by_id.get(key_id)
            return (key,) if key is not None and key.covers(source, event_type) else ()
        bound = list(self._exact.get(source, ()))
        for length in self._prefix_lengths:
            if length <= len(source):
                bound += self._prefixes.get(source[:length], ())
        found = {key.key_id: key for key in bound if key.covers(source, event_type)}
        return tuple(found.values())[:MAX_CANDIDATES]


def _refuse_shared_sources(keys: Sequence[SigningKey]) -> None:
    # Sorted, a prefix stands directly before everything it covers ("*" is cut off, the exact name sorts after it), so
    # the open prefixes are a stack.
    bound = sorted(
        (pattern.removesuffix("*"), not pattern.endswith("*"), key.key_id, key)
        for key in keys
        for pattern in set(key.sources)
    )
    open_prefixes: list[tuple[str, SigningKey]] = []
    previous_exact: list[tuple[str, SigningKey]] = []
    for text, exact, _, key in bound:
        open_prefixes = [entry for entry in open_prefixes if text.startswith(entry[0])]
        previous_exact = [entry for entry in previous_exact if entry[0] == text]
        for _, other in open_prefixes + previous_exact:
            if other.tenant != key.tenant and other.overlaps(key):
                raise ConfigurationError(
                    f"keys {other.key_id!r} and {key.key_id!r} of different tenants cover the same source"
                )
        (previous_exact if exact else open_prefixes).append((text, key))
