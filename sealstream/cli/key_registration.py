"""`sealstream keys generate|import|rotate`: registering keys."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sealstream.people.author import Author
from security.algorithms import DEFAULT_SIGNER_ID, Algorithm

if TYPE_CHECKING:
    import datetime as dt

    from agents.keys.registrar import NewKey

Tenant = Annotated[str, typer.Option(help="The organisation its records belong to")]
Domain = Annotated[str, typer.Option(help="The department that owns the data")]
Sources = Annotated[list[str], typer.Option("--source", help="Source it may sign for; exact, or a prefix ending in *")]
NotBefore = Annotated[str | None, typer.Option(help="Start of validity, as 2026-03-01 or 2026-03-01T08:00:00Z")]
NotAfter = Annotated[str | None, typer.Option(help="End of validity, from which on it counts no more")]
Actor = Annotated[str | None, typer.Option(help="Who makes the change, for the log; by default who runs the command")]
SignsAs = Annotated[str | None, typer.Option("--as", help="Id of the person who makes the change and signs it")]
SignsWith = Annotated[
    str | None,
    typer.Option("--key", metavar="FILE|PKCS11-URI", help="Their private key, as for `sealstream access approve`"),
]


def attach(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(generate)
    app.command("import")(import_keys)
    app.command()(rotate)


def generate(
    name: str,
    tenant: Tenant,
    domain: Domain,
    source: Sources,
    algorithm: Annotated[Algorithm, typer.Option(help="What the key signs with")] = Algorithm.ED25519,
    signer_id: Annotated[str, typer.Option(help="The ID of an SM2 signer")] = DEFAULT_SIGNER_ID,
    not_before: NotBefore = None,
    not_after: NotAfter = None,
    actor: Actor = None,
    by: SignsAs = None,
    key: SignsWith = None,
) -> None:
    """Make a key pair, keep the private half here and register the public half."""
    from agents.keys.registrar import NewKey
    from sealstream.attachment import attached_settings
    from sealstream.cli.moments import moment
    from sealstream.producing.producer_keys import private_key_for
    from sealstream.wiring import keyring_dir

    author, start, end = Author(actor, by, key), moment(not_before), moment(not_after)
    signer = private_key_for(keyring_dir(attached_settings()), name, algorithm, signer_id)
    new = NewKey(
        name=name, jwk=signer.jwk, tenant=tenant, domain=domain, sources=source, not_before=start, not_after=end
    )
    _register([new], author)


def import_keys(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME] FILE",
            help="A JWK, JWK Set, PEM public key or PEM certificate; without a name each key is named by its kid",
        ),
    ],
    tenant: Tenant,
    domain: Domain,
    source: Sources,
    algorithm: Annotated[
        Algorithm | None, typer.Option(help="What the key signs with, if the file doesn't say it (RSA in PEM)")
    ] = None,
    der: Annotated[bool, typer.Option("--der", help="Its ECDSA or SM2 signatures are DER, not r || s")] = False,
    signer_id: Annotated[str | None, typer.Option(help="The ID of an SM2 signer, if the file doesn't say it")] = None,
    trust_anchor: Annotated[
        Path | None,
        typer.Option(help="Certificates of whom we trust: FILE is a chain up to one of them, and verified"),
    ] = None,
    crl: Annotated[
        list[Path] | None,
        typer.Option(help="Revocation list of an authority in the chain; with one, each certificate must be covered"),
    ] = None,
    not_before: NotBefore = None,
    not_after: NotAfter = None,
    actor: Actor = None,
    by: SignsAs = None,
    key: SignsWith = None,
) -> None:
    """Register a producer's public keys from a file: all of them, or none."""
    from agents.keys.registrar import NewKey
    from sealstream.cli.moments import moment
    from sealstream.key_files import read_key_file, read_offer

    if crl and trust_anchor is None:
        raise typer.BadParameter("a revocation list is for a chain: say --trust-anchor too")
    start, end = moment(not_before), moment(not_after)
    *names, file = words
    if len(names) > 1:
        raise typer.BadParameter("give one name and one file, or the file alone")
    name = names[0] if names else None
    found = read_key_file(Path(file), name=name, algorithm=algorithm, der=der, signer_id=signer_id)
    offer = read_offer(Path(file), trust_anchor, crl or []) if trust_anchor is not None else None
    if offer is not None and not offer.crls:
        typer.echo("no --crl: revocation is looked up only in lists that are held already", err=True)
    new = [
        NewKey(
            name=each_name,
            jwk=each.jwk,
            tenant=tenant,
            domain=domain,
            sources=source,
            not_before=_latest(start, each.not_before),
            not_after=_earliest(end, each.not_after),
            offer=offer,
        )
        for each_name, each in found
    ]
    _register(new, Author(actor, by, key))


def rotate(
    name: str,
    successor: Annotated[str, typer.Argument(help="Name of the new key")],
    file: Annotated[
        Path | None, typer.Argument(help="The producer's new public key; without it a key pair is made here")
    ] = None,
    overlap_hours: Annotated[int, typer.Option(min=0, help="How long the former key counts beside the new one")] = 24,
    algorithm: Annotated[
        Algorithm | None, typer.Option(help="What the new key signs with, if not what the former does")
    ] = None,
    actor: Actor = None,
    by: SignsAs = None,
    key: SignsWith = None,
) -> None:
    """Register a successor for what a key may sign, from now on, and let the former key's validity end."""
    import datetime as dt

    from agents.platform.knowledge import signing_key
    from sealstream.attachment import attached_settings
    from sealstream.cli.registrar import with_registrar
    from sealstream.key_files import read_key_file
    from sealstream.producing.producer_keys import private_key_for
    from sealstream.wiring import keyring_dir
    from security.algorithms import DEFAULT_SIGNER_ID

    author = Author(actor, by, key)
    former = signing_key(with_registrar(None, lambda registrar: registrar.key(name)))
    if file is None:
        signs_with, signer_id = algorithm or former.algorithm, former.signer_id or DEFAULT_SIGNER_ID
        jwk = private_key_for(keyring_dir(attached_settings()), successor, signs_with, signer_id).jwk
    else:
        ((_, found),) = read_key_file(file, name=successor, algorithm=algorithm)
        jwk = found.jwk
    overlap = dt.timedelta(hours=overlap_hours)
    with_registrar(author, lambda registrar: registrar.rotate(name, successor, jwk, overlap))
    typer.echo(f"{successor} counts from now on, {name} for at most {overlap_hours} more hours")


def _latest(one: "dt.datetime | None", other: "dt.datetime | None") -> "dt.datetime | None":
    return max(one, other) if one is not None and other is not None else one or other


def _earliest(one: "dt.datetime | None", other: "dt.datetime | None") -> "dt.datetime | None":
    return min(one, other) if one is not None and other is not None else one or other


def _register(new: "list[NewKey]", author: Author) -> None:
    from sealstream.cli.registrar import with_registrar

    with_registrar(author, lambda registrar: registrar.register(*new), topics_of=new[0].tenant)
    for each in new:
        typer.echo(f"{each.name} registered for {', '.join(each.sources)} (tenant {each.tenant}, domain {each.domain})")
