"""Our own side of TLS towards Kafka; no broker is needed."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from schemas.errors import ConfigurationError
from streams.kafka import KafkaAccess, Kerberos, Password, SaslMechanism, SecurityProtocol, TlsFiles, require_access
from tests.support.certificates import Authority, Certificate

PASSWORD = Password(SaslMechanism.PLAIN, "u", "gehuetet")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@asynccontextmanager
async def tls_server(shown: Certificate) -> AsyncIterator[str]:
    """Something that speaks TLS and no Kafka; gives its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("hosts", "days", "match"),
    [
        pytest.param(("127.0.0.1",), -1, "has expired", id="expired"),
        pytest.param(("127.0.0.2",), 1, "another address", id="another address"),
        pytest.param(("broker.example",), 1, "another address", id="a name alone"),
        pytest.param(("127.0.0.1",), 1, "ended the connection at once", id="sound, but no broker"),
    ],
)
async def test_what_is_wrong_with_a_broker_is_said(
    authority: Authority, hosts: tuple[str, ...], days: int, match: str
) -> None:
    async with tls_server(authority.sign("broker", hosts=hosts, days=days)) as address:
        with pytest.raises(ConfigurationError, match=match):
            await require_access(KafkaAccess(address, SecurityProtocol.SSL, TlsFiles(ca=authority.file)))


def test_a_key_may_lie_in_the_certificate_s_file_and_be_encrypted(authority: Authority) -> None:
    plain, secret = authority.sign("plain"), authority.sign("secret", password="gehuetet")
    for files in (
        TlsFiles(certificate=plain.both),
        TlsFiles(certificate=plain.certificate, key=plain.key),
        TlsFiles(certificate=secret.certificate, key=secret.key, key_password="gehuetet"),
    ):
        context = files.context()
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_files_that_can_t_be_used_are_named(authority: Authority, tmp_path: Path) -> None:
    one, other = authority.sign("one"), authority.sign("other", password="gehuetet")
    (tmp_path / "empty.pem").touch()
    for files, match in (
        (TlsFiles(ca=tmp_path / "missing.pem"), r"CA file .*missing\.pem.*: No such file"),
        (TlsFiles(ca=tmp_path / "empty.pem"), r"CA file .*empty\.pem"),
        (TlsFiles(certificate=tmp_path / "missing.pem"), r"certificate .*missing\.pem.*: No such file"),
        (TlsFiles(certificate=tmp_path / "empty.pem"), r"certificate .*empty\.pem"),
        (TlsFiles(certificate=one.certificate, key=authority.sign("two").key), r"two\.key\.pem.*that it belongs to"),
        (TlsFiles(certificate=other.certificate, key=other.key), r"other\.key\.pem.*its password"),
        (TlsFiles(certificate=other.certificate, key=other.key, key_password="falsch"), "its password"),
        (TlsFiles(certificate=authority.sign("old", days=-1).both), r"old\.both\.pem is valid from .* renew it"),
    ):
        with pytest.raises(ConfigurationError, match=match) as caught:
            files.context()
        assert "falsch" not in f"{caught.value} {files!r}"


@pytest.mark.parametrize(
    ("protocol", "tls", "sasl", "match"),
    [
        (SecurityProtocol.SASL_SSL, TlsFiles(), None, "needs a SASL mechanism"),
        (SecurityProtocol.SSL, TlsFiles(), PASSWORD, "sends none"),
        (SecurityProtocol.PLAINTEXT, TlsFiles(), PASSWORD, "sends none"),
        (SecurityProtocol.PLAINTEXT, TlsFiles(ca=Path("ca.pem")), None, "not encrypted"),
        (SecurityProtocol.SASL_PLAINTEXT, TlsFiles(ca=Path("ca.pem")), PASSWORD, "not encrypted"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(
    protocol: SecurityProtocol, tls: TlsFiles, sasl: Password | None, match: str
) -> None:
    with pytest.raises(ConfigurationError, match=match):
        KafkaAccess("b:9092", protocol, tls, sasl)


def test_a_mechanism_takes_what_it_takes() -> None:
    with pytest.raises(ConfigurationError, match="takes no password"):
        Password(SaslMechanism.OAUTHBEARER, "u", "p")


def test_a_password_is_not_shown() -> None:
    access = KafkaAccess("b:9092", SecurityProtocol.SASL_PLAINTEXT, sasl=PASSWORD)
    assert "gehuetet" not in f"{access!r} {access}"
    assert access.client_options()["sasl_plain_password"] == "gehuetet"


@pytest.mark.skipif(find_spec("gssapi") is not None, reason="the extra is installed")
def test_kerberos_needs_its_extra() -> None:
    with pytest.raises(ConfigurationError, match=r"sealstream\[gssapi\]"):
        Kerberos()
