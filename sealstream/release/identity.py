"""The platform's identity in a process without a keyring: the few secrets it needs, as the key release gives them.

They are named here, and open no field: what wraps tier keys, what signs logs or certifies workers, what makes blind
terms and what vouches for people and policies is not among them.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from agents.platform.actor import ACTOR_KEY
from agents.platform.identity import SEED_BYTES, Identity
from agents.platform.vouching import Vouching
from schemas.errors import ConfigurationError
from schemas.tenant import PLATFORM_TENANT
from sealstream.release import messages
from sealstream.release.client import ask_once, welcomed
from sealstream.release.vouching import AskedVoucher
from security.commit_signature import WorkerKey
from security.key_provider import KeyUnavailable, Scope, WrappedKey
from security.note import Verifier

CURSORS, WRITES, SESSIONS = "api-cursors", "api-writes", "console-sessions"
"""The API's own secrets: of cursors, of idempotency keys, of the console's sessions."""

ISSUER: Final = "issuer"
"""The embedded issuer's signing key, which production has not."""

_PLATFORMS: Final = frozenset({CURSORS, WRITES, SESSIONS})
_TENANTS: Final = frozenset({ACTOR_KEY})


def is_given(tenant: str, name: str) -> bool:
    """Whether a process without a keyring gets that secret."""
    return name in _TENANTS or (tenant == PLATFORM_TENANT and name in _PLATFORMS)


class GivenSecrets:
    """A keyring without keys: it gives what the key release gives, each asked for once."""

    def __init__(self, path: Path, worker: WorkerKey) -> None:
        self._path = path
        self._worker = worker
        self._given: dict[tuple[str, str], bytes] = {}

    def __repr__(self) -> str:
        return f"GivenSecrets({str(self._path)!r})"

    def index_key(self, tenant: str, field: str) -> bytes:
        """A secret that is named above.

        Raises:
            KeyUnavailable: It is none of them.
            ReleaseAway: The release does not answer.
        """
        known = self._given.get((tenant, field))
        if known is None:
            if not is_given(tenant, field):
                raise self._not_here(f"{tenant}/{field}")
            known = ask_once(self._path, self._worker, messages.AskSecret(tenant, field), messages.Secret).secret
            self._given[tenant, field] = known
        return known

    def signing_seed(self, name: str) -> bytes:
        """That of the embedded issuer, in development.

        Raises:
            ConfigurationError: Any other: there is none in this process.
        """
        if name != ISSUER:
            raise ConfigurationError("this process has no signing keys; they are in the key release's")
        return ask_once(self._path, self._worker, messages.AskIssuer(), messages.Secret).secret

    def answers(self) -> str:
        """See that the release answers."""
        welcomed(self._path, self._worker)
        return "the key release answers"

    def kek_id(self, scope: Scope) -> str:
        """There is none here."""
        raise self._not_here(f"{scope.tenant}/{scope.domain}/tier {scope.tier}")

    def wrap(self, scope: Scope, key: bytes) -> WrappedKey:
        """Nothing is wrapped here."""
        raise self._not_here(f"{scope.tenant}/{scope.domain}/tier {scope.tier}")

    def unwrap(self, scope: Scope, wrapped: WrappedKey) -> bytes:
        """Nothing is unwrapped here."""
        raise self._not_here(wrapped.kek_id)

    def renew(self, scope: Scope) -> None:
        """Keys are changed by an operator's process."""
        raise self._not_here(f"{scope.tenant}/{scope.domain}/tier {scope.tier}")

    def retire(self, scope: Scope, kek_id: str) -> None:
        """Likewise."""
        raise self._not_here(kek_id)

    def destroy(self, scope: Scope) -> None:
        """Likewise."""
        raise self._not_here(f"{scope.tenant}/{scope.domain}/tier {scope.tier}")

    def is_destroyed(self, scope: Scope) -> bool:
        """Likewise."""
        raise self._not_here(f"{scope.tenant}/{scope.domain}/tier {scope.tier}")

    def _not_here(self, key_id: str) -> KeyUnavailable:
        return KeyUnavailable(key_id, "this process, which has no keys; ask the key release")


@dataclass(frozen=True, slots=True)
class GivenIdentity(Identity):
    """The identity of a process without a keyring.

    Args:
        path: The socket of a release; each gives the same.
        worker: The process's key, which that release certified.
        authority_key: The key that certifies workers, as the release said it.
        asked_voucher: Remembers what the release said of rows.
    """

    path: Path
    worker: WorkerKey
    authority_key: bytes
    asked_voucher: AskedVoucher
    _verifiers: dict[tuple[str, int, int], Verifier] = field(default_factory=dict)

    @classmethod
    def introduced(cls, path: Path, origin_prefix: str) -> Self:
        """Make a key for this process and have it certified; from a thread.

        Raises:
            ReleaseAway: The release does not answer.
        """
        authority: list[bytes] = []

        def certify(key: WorkerKey) -> bytes:
            welcome = welcomed(path, key)
            authority.append(welcome.authority)
            return welcome.certificate

        worker = WorkerKey.certified_by(os.urandom(SEED_BYTES), certify)
        return cls(GivenSecrets(path, worker), origin_prefix, path, worker, authority[0], AskedVoucher(path, worker))

    def log_verifier(self, tenant: str, shard: int = 0, key: int = 0) -> Verifier:
        """As the release says; asked for once."""
        known = self._verifiers.get((tenant, shard, key))
        if known is None:
            answer = ask_once(self.path, self.worker, messages.AskVerifier(tenant, shard, key), messages.Verifier)
            known = self._verifiers[tenant, shard, key] = Verifier.from_vkey(answer.vkey)
        return known

    def voucher(self) -> Vouching:
        """As the release says."""
        return self.asked_voucher

    def authority(self) -> bytes:
        """As the release said when it certified this process's key."""
        return self.authority_key

    def new_worker(self) -> WorkerKey:
        """The one key of this process: its looks are released to it alone."""
        return self.worker
