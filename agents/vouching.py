"""The platform's MAC over rows of access control: whoever adds or changes rows by SQL can't make it."""

import hmac

import msgspec

from schemas.tenant import PLATFORM_TENANT
from security.access.api_key import ApiKey
from security.access.person import Person
from security.key_provider import KeyProvider
from streams.storage.catalogue import EntryRow
from streams.storage.people import ApiKeyRow, PersonRow
from streams.storage.policies import PolicyRow

_KEY = "access"


class Voucher:
    """Makes and checks them.

    Args:
        keyring: Gives the key; asked once, which may take a server's answer.
    """

    def __init__(self, keyring: KeyProvider) -> None:
        self._key = keyring.index_key(PLATFORM_TENANT, _KEY)

    def person(self, person: Person) -> PersonRow:
        """The row of a person."""
        return PersonRow(person, self._mac(b"person", person.agreed()))

    def api_key(self, key: ApiKey) -> ApiKeyRow:
        """The row of an API key. Its revocation is not vouched for: a row that is revoked by SQL opens nothing."""
        agreed = [
            key.key_id,
            key.digest,
            key.person,
            key.tier,
            sorted(key.actions),
            None if key.projects is None else sorted(key.projects),
            key.created.timestamp().hex(),
            key.not_after.timestamp().hex(),
        ]
        return ApiKeyRow(key, self._mac(b"api-key", msgspec.json.encode(agreed)))

    def policy(self, row: PolicyRow) -> bytes:
        """The MAC of an adopted version."""
        agreed = [row.version, row.based_on, row.text, row.digest, row.proposer, row.adopter]
        return self._mac(b"policy", msgspec.json.encode(agreed))

    def entry(self, row: EntryRow) -> bytes:
        """The MAC of an adopted version of an entry of the catalogue."""
        agreed = [
            row.tenant,
            row.record_type,
            row.version,
            row.based_on,
            row.text,
            row.digest,
            row.proposer,
            row.adopter,
        ]
        return self._mac(b"catalogue", msgspec.json.encode(agreed))

    def is_ours(self, row: PersonRow | ApiKeyRow | PolicyRow | EntryRow) -> bool:
        """Whether the platform made a row as it stands."""
        match row:
            case PersonRow():
                mac = self.person(row.person).mac
            case ApiKeyRow():
                mac = self.api_key(row.key).mac
            case PolicyRow():
                mac = self.policy(row)
            case EntryRow():
                mac = self.entry(row)
        return hmac.compare_digest(mac, row.mac or b"")

    def _mac(self, kind: bytes, agreed: bytes) -> bytes:
        return hmac.digest(self._key, kind + b"\0" + agreed, "sha256")
