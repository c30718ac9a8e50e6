"""`keys` and `models` by a person's own key: a file or a token; and where production wants one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import ConfigurationError
from sealstream.people.author import Author
from sealstream.people.personal_keys import open_personal_signer
from security.jwk import thumbprint
from security.signatures import verifier
from tests.support.installation import BANK_A, Installation
from tests.support.models import other_version
from tests.support.softhsm import TOKEN, SoftHsm
from tests.support.terminal import Terminal


async def changes(platform: Installation, kind: str, tenant: str = BANK_A.tenant) -> list[Mapping[str, Any]]:
    found = await platform.leaves(tenant, of_keys=kind == "key")
    return [leaf for leaf in found if leaf["kind"] == kind]


async def test_keys_and_models_are_changed_by_whoever_signs(
    platform: Installation, terminal: Terminal, tmp_path: Path
) -> None:
    await terminal.grant("olga", "bank-a/it", "operator")
    keys, models = Terminal(tmp_path, "keys"), Terminal(tmp_path, "models")
    signs = terminal.signs("olga")
    await keys.run("rotate", BANK_A.key_id, "next", *signs)
    await keys.run("revoke", BANK_A.key_id, *signs)
    for leaf, change in zip((await changes(platform, "key"))[-3:], ("register", "limit", "revoke"), strict=True):
        assert (leaf["basis"], leaf["key"]["change"], leaf["access"]["change"]) == ("signed", change, "change_keys")
    await models.run("add", str(other_version(tmp_path / "second")), *signs)
    (added,) = [row["model"] for row in await models.rows("list") if row["stage"] == "candidate"]
    await models.run("activate", added, "--unevaluated", "a test", *signs)
    assert {leaf["basis"] for leaf in await changes(platform, "model")} == {"signed"}
    assert {leaf["access"]["key"] for leaf in await changes(platform, "model")} == {
        thumbprint(open_personal_signer(str(tmp_path / "olga.key")).public_key)
    }
    await platform.sequence()
    assert (await platform.audit()).findings == []


async def test_production_wants_a_signature_where_somebody_could_sign(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await terminal.grant("olga", "bank-a/it", "operator")
    await terminal.grant("rudi", "bank-a/it", "reader")
    monkeypatch.setattr("sealstream.cli.registrar.must_be_signed", lambda settings: True)
    keys = Terminal(tmp_path, "keys")
    await keys.run("revoke", BANK_A.key_id, code=1)
    await keys.run("revoke", BANK_A.key_id, *terminal.signs("rudi"), code=1)
    await keys.run("revoke", BANK_A.key_id, *terminal.signs("olga"))


def test_who_signs_is_named_with_a_key_and_is_who_acts() -> None:
    for given in ({"person": "olga"}, {"key": "k"}, {"person": "olga", "key": "k", "actor": "somebody"}):
        with pytest.raises(ConfigurationError, match="--as"):
            Author(**given)


def test_a_person_s_key_may_lie_in_a_token(softhsm: SoftHsm) -> None:
    import pkcs11

    def make(session: pkcs11.Session) -> None:
        parameters = session.create_domain_parameters(
            pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: bytes.fromhex("06082a8648ce3d030107")}, local=True
        )
        parameters.generate_keypair(label="olga's", store=True)

    softhsm.token.run(make)
    uri = f"pkcs11:token={TOKEN};object=olga%27s?module-path={softhsm.module}&pin-source=file:{softhsm.pin_file}"
    signer = open_personal_signer(uri)
    verifier(signer.jwk)(b"said", signer.sign(b"said"))


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("pkcs11:token=t;object=o?module-path=/m.so&pin-value=1234", "a PIN does not belong into a URI"),
        ("pkcs11:token=t", "lacks object, module-path, pin-source"),
        ("pkcs11:", "lacks token"),
    ],
)
def test_a_uri_that_lacks_something_or_has_a_pin_is_refused(uri: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        open_personal_signer(uri)
    assert "1234" not in str(caught.value)
