"""`sealstream keys`: producers' keys. A key is bound to the sources, tenant and domain it may sign for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from security.algorithms import DEFAULT_SIGNER_ID, Algorithm

if TYPE_CHECKING:
    from security.jwk import Jwk

app = typer.Typer(help="Producers' signing keys.", no_args_is_help=True, rich_markup_mode=None)

Tenant = Annotated[str, typer.Option(help="The organisation its records belong to")]
Domain = Annotated[str, typer.Option(help="The department that owns the data")]
Sources = Annotated[list[str], typer.Option("--source", help="Source it may sign for; exact, or a prefix ending in *")]


@app.command()
def generate(
    name: str,
    tenant: Tenant,
    domain: Domain,
    source: Sources,
    algorithm: Annotated[Algorithm, typer.Option(help="What the key signs with")] = Algorithm.ED25519,
    signer_id: Annotated[str, typer.Option(help="The ID of an SM2 signer")] = DEFAULT_SIGNER_ID,
) -> None:
    """Make a key pair, keep the private half here and register the public half."""
    from sealstream.attachment import attached_settings
    from sealstream.producer_keys import make_private_key
    from sealstream.wiring import keyring_dir

    signer = make_private_key(keyring_dir(attached_settings()), name, algorithm, signer_id)
    _register(name, signer.jwk, tenant, domain, source)


@app.command("import")
def import_key(
    name: str,
    jwk: Path,
    tenant: Tenant,
    domain: Domain,
    source: Sources,
    der: Annotated[bool, typer.Option("--der", help="Its ECDSA or SM2 signatures are DER, not r || s")] = False,
    signer_id: Annotated[str | None, typer.Option(help="The ID of an SM2 signer, if the file doesn't say it")] = None,
) -> None:
    """Register a producer's public key from a JWK file."""
    from dataclasses import replace

    from schemas.errors import ConfigurationError
    from security.algorithms import SignatureEncoding
    from security.jwk import parse_jwk

    try:
        content = jwk.read_bytes()
    except OSError as exc:
        raise ConfigurationError(f"can't read {jwk}: {exc.strerror}") from exc
    record = parse_jwk(content)
    if der:
        record = replace(record, encoding=SignatureEncoding.DER)
    if signer_id is not None:
        record = replace(record, signer_id=signer_id)
    _register(name, record, tenant, domain, source)


@app.command("list")
def list_keys(json: Annotated[bool, typer.Option("--json", help="One object a line")] = False) -> None:
    """List registered keys."""
    import asyncio

    from agents.platform import signing_key
    from sealstream.attachment import attached_settings
    from sealstream.cli.output import emit
    from sealstream.wiring import connected
    from streams.storage.keys import SigningKeyRow, list_signing_keys

    async def read() -> list[SigningKeyRow]:
        async with connected(attached_settings(), "keys") as database, database.session() as connection:
            return await list_signing_keys(connection)

    for row in asyncio.run(read()):
        state = "revoked" if row.revoked_at else "registered"
        emit(
            {
                "key": row.key_id,
                "tenant": row.tenant,
                "domain": row.domain,
                "sources": row.sources,
                "algorithm": signing_key(row).algorithm,
                "state": state,
                "revoked_at": row.revoked_at,
            },
            json,
        )


@app.command()
def revoke(name: str) -> None:
    """Let a key count for nothing from now on: nothing more that it signed is committed."""
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.wiring import connected
    from streams.storage.keys import revoke_signing_key

    async def write() -> None:
        async with connected(attached_settings(), "keys") as database, database.session() as connection:
            await revoke_signing_key(connection, name)

    asyncio.run(write())
    typer.echo(f"{name} revoked")


@app.command()
def require(
    source: str,
    tenant: Tenant,
    signatures: Annotated[int, typer.Option(help="Distinct keys that must sign each event")] = 1,
    algorithm: Annotated[list[Algorithm] | None, typer.Option(help="Only these count; all when not given")] = None,
) -> None:
    """Set how events of a source (exact, or a prefix ending in *) must be signed, from now on."""
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.producer_keys import require_signatures
    from sealstream.wiring import connected

    async def write() -> None:
        async with connected(attached_settings(), "keys") as database:
            await require_signatures(database, source, tenant=tenant, signatures=signatures, algorithms=algorithm or ())

    asyncio.run(write())
    typer.echo(f"{source}: {signatures} signature(s), algorithms: {', '.join(algorithm or []) or 'all'}")


@app.command()
def policies(json: Annotated[bool, typer.Option("--json", help="One object a line")] = False) -> None:
    """List how events of sources must be signed; the newest of a source counts."""
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.cli.output import emit
    from sealstream.wiring import connected
    from streams.storage.registry import SourcePolicyRow, list_source_policies

    async def read() -> list[SourcePolicyRow]:
        async with connected(attached_settings(), "keys") as database, database.session() as connection:
            return await list_source_policies(connection)

    for row in asyncio.run(read()):
        emit(
            {
                "source": row.source,
                "tenant": row.tenant,
                "signatures": row.signatures,
                "algorithms": row.algorithms,
                "since": row.since,
            },
            json,
        )


@app.command()
def notices(tenant: str) -> None:
    """Print the certificate of the key that signs a tenant's notices, for subscribers who trust the tenant's log."""
    import asyncio

    from schemas.errors import ConfigurationError
    from sealstream.attachment import attached_settings
    from sealstream.wiring import connected, open_identity
    from streams.storage.sequencing import list_logs

    settings = attached_settings()

    async def tenants() -> set[str]:
        async with connected(settings, "keys") as database, database.session() as connection:
            return {row.tenant for row in await list_logs(connection)}

    if tenant not in asyncio.run(tenants()):
        raise ConfigurationError(f"tenant {tenant!r} has no log here; see `sealstream keys list`")
    typer.echo(open_identity(settings).notice_certificate(tenant).decode(), nl=False)


def _register(name: str, key: "Jwk", tenant: str, domain: str, sources: list[str]) -> None:
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.producer_keys import register
    from sealstream.wiring import connected, create_all_topics

    async def write() -> None:
        settings = attached_settings()
        async with connected(settings, "keys") as database:
            await register(database, name, key, tenant=tenant, domain=domain, sources=sources)
        if settings.kafka_bootstrap:
            await create_all_topics(settings, [tenant])

    asyncio.run(write())
    typer.echo(f"{name} registered for {', '.join(sources)} (tenant {tenant}, domain {domain})")
