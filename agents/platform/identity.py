"""The platform's own keys: what signs logs and notices, certifies workers, and vouches for rows of access control."""

import os
from dataclasses import dataclass
from typing import Final, Protocol

from agents.platform.vouching import Voucher, Vouching
from schemas.tenant import PLATFORM_TENANT
from security.commit_signature import WorkerKey, authority_public_key
from security.key_provider import KeyKeeper, KeyProvider
from security.note import Signer, Verifier
from security.notice_key import certify_notice_key, notice_signer
from security.signing import Ed25519Signer
from streams.storage.sequencing import LogRow

POSITION_KEY: Final = "position"
"""Name of the index key of last records' digests."""

SEED_BYTES: Final = 32
_AUTHORITY: Final = "authority"


class Keyring(KeyProvider, KeyKeeper, Protocol):
    """A key provider that also keeps the seeds of the platform's own signing keys.

    It may be a server's client: what is called on an event loop is called in a thread, or was asked for before.
    """

    def signing_seed(self, name: str) -> bytes:
        """32 secret bytes of the named Ed25519 key; made on first use."""
        ...

    def answers(self) -> str:
        """Ask the provider whether it is there; returns what it is, for an operator.

        Raises:
            SealstreamError: It does not answer, or does not let us in.
        """
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """The platform's own keys: what signs logs and certifies workers.

    Args:
        keyring: Keeps the seeds.
        origin_prefix: A log's origin is this, a slash, and the tenant; that of a later shard, a slash and its number.
    """

    keyring: Keyring
    origin_prefix: str

    def origin(self, tenant: str, shard: int = 0) -> str:
        """The origin of a shard of a tenant's log, which is also the name of its key."""
        return shard_origin(f"{self.origin_prefix}/{tenant}", shard)

    def place(self, origin: str) -> tuple[str, int]:
        """Whose log an origin names, and which shard of it."""
        tenant, _, shard = origin.removeprefix(f"{self.origin_prefix}/").partition("/")
        return tenant, int(shard) if shard.isascii() and shard.isdecimal() else 0

    def log_signer(self, tenant: str, shard: int = 0, key: int = 0) -> Signer:
        """Signs the checkpoints of a shard of the tenant's log.

        Args:
            key: Which of the log's keys; no tenant's name has a slash, so that each has a seed of its own.
        """
        seed = self.keyring.signing_seed(f"log-{tenant}/{key}" if key else f"log-{tenant}")
        return Signer(self.origin(tenant, shard), seed)

    def log_verifier(self, tenant: str, shard: int = 0, key: int = 0) -> Verifier:
        """Verifies what `log_signer` signs."""
        return self.log_signer(tenant, shard, key).verifier

    def verifier_of(self, row: LogRow) -> Verifier:
        """Verifies the checkpoints of a shard as stored."""
        return self.log_verifier(row.tenant, row.shard, row.key)

    def signer_of(self, row: LogRow) -> Signer:
        """Signs the checkpoints of a shard as stored."""
        return self.log_signer(row.tenant, row.shard, row.key)

    def notice_signer(self, tenant: str, shard: int = 0) -> Ed25519Signer:
        """Signs what the relay publishes of a shard of the tenant's log."""
        return notice_signer(self.origin(tenant, shard), self.keyring.signing_seed(f"notices-{tenant}"))

    def notice_certificate(self, tenant: str, shard: int = 0, key: int = 0) -> bytes:
        """By which subscribers who trust the shard trust its notices."""
        return certify_notice_key(self.log_signer(tenant, shard, key), self.notice_signer(tenant, shard).public_key)

    def voucher(self) -> Vouching:
        """Says which rows of access control are ours; from a thread."""
        return Voucher(self.keyring)

    def authority(self) -> bytes:
        """Public key that certifies workers."""
        return authority_public_key(self.authority_seed())

    def authority_seed(self) -> bytes:
        """Of the key that certifies workers."""
        return self.keyring.signing_seed(_AUTHORITY)

    def new_worker(self) -> WorkerKey:
        """A key for this process, certified; it ends with the process."""
        return WorkerKey(os.urandom(SEED_BYTES), self.authority_seed())


def shard_origin(log_origin: str, shard: int) -> str:
    """The origin of a shard: the first one's is that of the log, later ones have their number behind it."""
    return f"{log_origin}/{shard}" if shard else log_origin


def position_key(identity: Identity) -> bytes:
    """Keys the digests by which last records are recognised."""
    return identity.keyring.index_key(PLATFORM_TENANT, POSITION_KEY)
