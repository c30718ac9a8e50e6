"""Which keyring the settings open, and what an operator reads when they don't fit together."""

from pathlib import Path

import pytest

from schemas.errors import ConfigurationError
from sealstream.running.checkup import check_up
from sealstream.settings import load_settings
from sealstream.wiring import open_identity
from security.key_provider import Scope
from tests.support.openbao import OpenBao
from tests.support.processes import sealstream
from tests.support.softhsm import SoftHsm

PRODUCTION = {
    "env": "production",
    "database_url": "postgresql://u@db/x",
    "kafka_bootstrap": "b:9092",
    "kafka_protocol": "SASL_SSL",
}
OPENBAO = {"key_provider": "openbao", "openbao_address": "https://vault:8200"}


def named(settings: dict[str, str]) -> dict[str, str]:
    """Variables as the settings' own names."""
    prefix = "SEALSTREAM_"
    return {name.removeprefix(prefix).lower(): value for name, value in settings.items() if name.startswith(prefix)}


def test_production_takes_a_vault(openbao: OpenBao) -> None:
    keyring = open_identity(load_settings(**PRODUCTION, **named(openbao.settings()))).keyring
    scope = Scope("bank-wired", "payments", 1)
    assert keyring.unwrap(scope, keyring.wrap(scope, bytes(32))) == bytes(32)


def test_production_takes_an_hsm_and_logs_in_once_for_the_process(softhsm: SoftHsm, tmp_path: Path) -> None:
    settings = load_settings(**PRODUCTION, **named(softhsm.settings()))
    keyrings = [open_identity(settings).keyring for _ in range(2)]
    scope = Scope("bank-wired", "payments", 1)
    wrapped = keyrings[0].wrap(scope, bytes(32))
    assert keyrings[1].unwrap(scope, wrapped) == keyrings[0].unwrap(scope, wrapped) == bytes(32)


def test_production_refuses_files() -> None:
    with pytest.raises(ConfigurationError, match="SEALSTREAM_KEY_PROVIDER"):
        open_identity(load_settings(**PRODUCTION))


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        pytest.param({"key_provider": "openbao", "openbao_token_file": "t"}, "OPENBAO_ADDRESS", id="no address"),
        pytest.param(OPENBAO, "OPENBAO_TOKEN_FILE", id="no way in"),
        pytest.param({**OPENBAO, "openbao_role_id": "r"}, "OPENBAO_SECRET_ID_FILE", id="half an AppRole"),
        pytest.param({**OPENBAO, "openbao_role_id": "r", "openbao_token_file": "t"}, "one of them", id="two ways in"),
        pytest.param({"key_provider": "pkcs11"}, "PKCS11_MODULE", id="no module"),
        pytest.param({"key_provider": "pkcs11", "pkcs11_module": "m"}, "PKCS11_TOKEN", id="no token"),
    ],
)
def test_what_is_missing_is_named(given: dict[str, str], missing: str) -> None:
    with pytest.raises(ConfigurationError, match=missing):
        open_identity(load_settings(**given))


@pytest.mark.parametrize("address", ["http://vault:8200", "http://127.0.0.1:8200", "vault:8200"])
def test_a_vault_is_only_spoken_to_under_tls(address: str) -> None:
    with pytest.raises(ConfigurationError, match="openbao_address"):
        load_settings(key_provider="openbao", openbao_address=address)


@pytest.mark.parametrize("mount", ["", "/x", "a/../b", "a?b", "a b"])
def test_a_mount_is_a_path(mount: str) -> None:
    with pytest.raises(ConfigurationError, match="openbao_mount"):
        load_settings(openbao_mount=mount)


async def keyring_check(**given: str) -> tuple[bool, str]:
    checks = await check_up(load_settings(kafka_bootstrap="127.0.0.1:9", **given))
    (found,) = [check for check in checks if check.name == "keyring"]
    return found.ok, found.what


async def test_the_doctor_asks_the_provider(openbao: OpenBao, softhsm: SoftHsm, tmp_path: Path) -> None:
    ok, what = await keyring_check(**named(openbao.settings()))
    assert ok, what
    assert openbao.address in what
    ok, what = await keyring_check(**named(softhsm.settings()))
    assert ok, what
    assert "SoftHSM" in what
    wrong = tmp_path / "token"
    wrong.touch(mode=0o600)
    wrong.write_text("s.wrong")
    ok, what = await keyring_check(**named(openbao.settings(wrong)))
    assert not ok
    assert "refuses our token" in what
    assert "s.wrong" not in what
    ok, what = await keyring_check(**named(openbao.settings()) | {"openbao_address": "https://127.0.0.1:9"})
    assert not ok
    assert "does not answer" in what


@pytest.mark.parametrize("domain", ["bank-a", "/payments", "bank-a/"])
def test_a_domain_is_named_with_its_tenant(tmp_path: Path, domain: str) -> None:
    found = sealstream("records", "list", "--domain", domain, settings={}, directory=tmp_path)
    assert found.returncode == 2
    assert "bank-a/payments" in found.stderr
