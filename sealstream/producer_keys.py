"""Producers' keys: the private half of those made here lies in the keyring, the public half is registered."""

import datetime as dt
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from agents.platform import PLATFORM_TENANT, signing_key
from schemas.errors import ConfigurationError
from security.algorithms import DEFAULT_SIGNER_ID, Algorithm
from security.jwk import Jwk
from security.key_files import load_signer, new_private_jwk, save_private_jwk
from security.key_registry import KeyRegistry
from security.signing import Signer
from security.source_patterns import overlap
from security.source_policy import SourcePolicy
from streams.storage import keys
from streams.storage.database import Database
from streams.storage.keys import SigningKeyRow
from streams.storage.registry import SourcePolicyRow, changing_registry, insert_source_policy

PRODUCERS: Final = "producers"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SCOPE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def private_key_path(keyring: Path, name: str) -> Path:
    """Where the private half of a producer's key lies.

    Raises:
        ConfigurationError: The name can't be a key id here.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"key name {name!r}: use letters, digits, dot, dash and underscore, 64 at most")
    return keyring / PRODUCERS / f"{name}.jwk"


def load_producer(keyring: Path, name: str) -> Signer:
    """The signer of a producer's key that was generated here.

    Raises:
        ConfigurationError: There is no such key, or its file is open to others.
    """
    path = private_key_path(keyring, name)
    if not path.exists():
        raise ConfigurationError(f"no private key named {name!r} here; make one with `sealstream keys generate {name}`")
    return load_signer(path)


def make_private_key(
    keyring: Path, name: str, algorithm: Algorithm = Algorithm.ED25519, signer_id: str = DEFAULT_SIGNER_ID
) -> Signer:
    """Make a key pair and keep its private half.

    Args:
        keyring: Where it is kept.
        name: Of the key.
        algorithm: What it signs with.
        signer_id: The ID of an SM2 signer.

    Raises:
        ConfigurationError: The name is taken or the directory can't be written.
    """
    path = private_key_path(keyring, name)
    for directory in (keyring, path.parent):  # mkdir gives parents the default mode
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    save_private_jwk(path, new_private_jwk(name, algorithm, os.urandom, signer_id))
    return load_signer(path)


async def register(
    database: Database,
    name: str,
    key: Jwk,
    *,
    tenant: str,
    domain: str,
    sources: list[str],
    not_before: dt.datetime | None = None,
    not_after: dt.datetime | None = None,
) -> SigningKeyRow:
    """Register a public key for the sources it may sign for.

    Raises:
        ConfigurationError: A name is not allowed or taken, or a source is another tenant's.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"key name {name!r}: use letters, digits, dot, dash and underscore, 64 at most")
    for what, text in (("tenant", tenant), ("domain", domain)):
        if not _SCOPE_NAME.fullmatch(text):
            raise ConfigurationError(f"{what} {text!r}: use lower-case letters, digits and dashes, 63 at most")
    if tenant == PLATFORM_TENANT:
        raise ConfigurationError(f"tenant {PLATFORM_TENANT!r} is the platform's own; name the producer's organisation")
    row = SigningKeyRow(
        key_id=name,
        jwk=dict(replace(key, key_id=None).to_members()),
        tenant=tenant,
        domain=domain,
        sources=sources,
        not_before=not_before,
        not_after=not_after,
    )
    async with database.session() as connection, changing_registry(connection):
        registered = await keys.list_signing_keys(connection)
        # Refused here, not at the next start of a worker: the registry checks that tenants' sources don't overlap.
        KeyRegistry([signing_key(each) for each in (*registered, row)])
        await keys.insert_signing_key(connection, row)
    return row


async def require_signatures(
    database: Database, source: str, *, tenant: str, signatures: int, algorithms: Sequence[Algorithm] = ()
) -> SourcePolicyRow:
    """Set what the signatures on a source's events must be like, from now on.

    Args:
        database: Where the policy is kept.
        source: The source, or a prefix that ends in `*`.
        tenant: Whose source it is.
        signatures: By how many distinct keys an event must be signed.
        algorithms: The only ones whose signatures count; all when empty.

    Raises:
        ConfigurationError: The pattern or number can't be met, no key of the tenant is bound to such a source, or
            another tenant's is.
    """
    SourcePolicy(source=source, signatures=signatures, algorithms=tuple(algorithms))
    async with database.session() as connection, changing_registry(connection) as now:
        bound = await keys.list_signing_keys(connection)
        tenants = {row.tenant for row in bound if any(overlap(source, pattern) for pattern in row.sources)}
        if tenants != {tenant}:
            whose = "another tenant's key" if tenants - {tenant} else "no key of that tenant"
            raise ConfigurationError(f"source {source!r}: {whose} is bound to it; see `sealstream keys list`")
        row = SourcePolicyRow(
            source=source, tenant=tenant, signatures=signatures, algorithms=[*map(str, algorithms)], since=now
        )
        await insert_source_policy(connection, row)
    return row
