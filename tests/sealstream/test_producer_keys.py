from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from agents.platform import load_registry
from schemas.errors import ConfigurationError
from sealstream.producer_keys import load_producer, make_private_key, private_key_path, register
from security.algorithms import Algorithm, SignatureEncoding
from security.jwk import parse_jwk
from security.key_files import private_jwk
from security.signatures import verifier
from security.signing import Ed25519Signer, Sm2Signer
from streams.storage.keys import list_signing_keys
from tests.support.installation import BANK_A, Installation

KEY = Ed25519Signer("k", b"s" * 32).jwk
JWK = msgspec.json.encode(KEY.to_members())


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_key_made_here_signs_again_after_it_is_loaded(tmp_path: Path, algorithm: Algorithm) -> None:
    made = make_private_key(tmp_path / "keys", "bank.a-1_x", algorithm)
    loaded = load_producer(tmp_path / "keys", "bank.a-1_x")
    assert made.jwk == loaded.jwk
    assert loaded.algorithm is algorithm
    verifier(loaded.jwk)(b"m", made.sign(b"m"))
    assert made.key_id == loaded.key_id == "bank.a-1_x"


def test_private_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    keyring = tmp_path / "a" / "keys"
    make_private_key(keyring, "k")
    path = private_key_path(keyring, "k")
    assert path.stat().st_mode & 0o777 == 0o600
    assert {each.stat().st_mode & 0o077 for each in (keyring, path.parent)} == {0}
    path.chmod(0o644)
    with pytest.raises(ConfigurationError):
        load_producer(keyring, "k")


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    make_private_key(tmp_path, "k")
    before = private_key_path(tmp_path, "k").read_bytes()
    with pytest.raises(ConfigurationError):
        make_private_key(tmp_path, "k")
    assert private_key_path(tmp_path, "k").read_bytes() == before


@pytest.mark.parametrize("name", ["", ".", "..", "../k", "a/b", "a\\b", "-k", "k" * 65, "schlüssel", "k\n", "k\0"])
def test_a_name_never_leads_out_of_the_keyring(tmp_path: Path, name: str) -> None:
    for work in (make_private_key, load_producer):
        with pytest.raises(ConfigurationError, match="key name"):
            work(tmp_path, name)
    assert not list(tmp_path.rglob("*"))


def test_a_key_that_is_not_here_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="sealstream keys generate nobody"):
        load_producer(tmp_path, "nobody")


async def registered(platform: Installation) -> set[str]:
    async with platform.database.session() as connection:
        return {row.key_id for row in await list_signing_keys(connection)}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"name": "../k"}, "key name", id="a-bad-name"),
        pytest.param({"name": BANK_A.key_id}, "share a key id|registered already", id="a-name-that-is-taken"),
        pytest.param({"tenant": "Bank A"}, "tenant", id="a-bad-tenant"),
        pytest.param({"tenant": "../x"}, "tenant", id="a-tenant-with-a-path"),
        pytest.param({"tenant": "platform"}, "platform's own", id="the-platform-itself"),
        pytest.param({"domain": ""}, "domain", id="no-domain"),
        pytest.param({"domain": "_access"}, "domain", id="the-domain-of-disclosures"),
        pytest.param({"sources": [BANK_A.source]}, "source", id="another-tenant-s-source"),
        pytest.param({"sources": ["urn:test:*"]}, "source", id="a-pattern-over-another-tenant-s-source"),
        pytest.param({"sources": []}, "source", id="no-source"),
        pytest.param({"jwk": b"{}"}, "JWK", id="no-key"),
        pytest.param({"jwk": b"not JSON"}, "JWK", id="no-json"),
        pytest.param({"jwk": private_jwk("k", Algorithm.ED25519, b"s" * 32)}, "private", id="a-private-key"),
    ],
)
async def test_what_may_not_be_registered_is_not(platform: Installation, change: dict[str, object], says: str) -> None:
    before = await registered(platform)
    given = {"name": "k", "jwk": JWK, "tenant": "bank-c", "domain": "d", "sources": ["urn:c"]} | change
    name, jwk = given.pop("name"), given.pop("jwk")
    with pytest.raises(ConfigurationError, match=f"(?i){says}"):
        await register(platform.database, name, parse_jwk(jwk), **given)  # type: ignore[arg-type]
    assert await registered(platform) == before


async def test_the_private_half_is_never_registered(platform: Installation) -> None:
    row = await register(platform.database, "k", KEY, tenant="bank-c", domain="d", sources=["urn:c"])
    stored = await platform.one("SELECT jwk::text FROM signing_keys WHERE key_id = 'k'")
    assert "d" not in row.jwk
    assert "d" not in msgspec.json.decode(stored)


async def test_two_keys_of_one_tenant_may_sign_for_one_source(platform: Installation) -> None:
    await register(platform.database, "next", KEY, tenant=BANK_A.tenant, domain=BANK_A.domain, sources=[BANK_A.source])
    assert "next" in await registered(platform)


async def test_what_decides_how_signatures_are_checked_is_part_of_the_record(platform: Installation) -> None:
    record = replace(Sm2Signer("sm2", b"s" * 32, "bank@example.cn").jwk, encoding=SignatureEncoding.DER)
    await register(platform.database, "sm2", record, tenant="bank-c", domain="d", sources=["urn:c"])
    async with platform.database.session() as connection:
        key = (await load_registry(connection)).get("sm2")
    assert key is not None
    assert (key.algorithm, key.public_key) == (Algorithm.SM2, record.public_key)
    assert (key.encoding, key.signer_id) == (SignatureEncoding.DER, "bank@example.cn")
