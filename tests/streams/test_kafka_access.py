"""Getting into a protected Kafka, and being told why not. The broker is real."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from deploy.kafka.installation import KafkaInstallation
from schemas.errors import ConfigurationError
from streams.app import build_app, running
from streams.frames import Frame, FrameOptions
from streams.kafka import (
    KafkaAccess,
    Password,
    SaslMechanism,
    SecurityProtocol,
    TlsFiles,
    Token,
    TokenEndpoint,
    TokenFile,
    TokenUnavailable,
)
from streams.topics import cluster_id
from tests.streams.frame_cluster import MemoryStore, collect
from tests.support.certificates import Authority
from tests.support.rights import Operation, Pattern, Resource, Right, grant
from tests.support.secure_kafka import SecureKafka, secure_cluster, token_endpoint

USER = "alice"
PATIENCE = 60


@pytest.fixture(scope="module")
async def secure(
    kafka_installation: KafkaInstallation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SecureKafka]:
    found = secure_cluster(tmp_path_factory.mktemp("secure"), kafka_installation, [USER])
    async with found.cluster:
        await found.cluster.create_topic("t")
        await grant(
            found.cluster.bootstrap_servers,
            USER,
            [
                Right(Resource.TOPIC, "t", Pattern.LITERAL, Operation.WRITE),
                Right(Resource.TOPIC, "t", Pattern.LITERAL, Operation.READ),
                Right(Resource.GROUP, "g-", Pattern.PREFIXED, Operation.READ),
            ],
        )
        yield found


async def works(access: KafkaAccess) -> None:
    """Publish as the user that may: also shows that the broker knows who we are."""
    async with asyncio.timeout(PATIENCE):
        async with AIOKafkaProducer(**access.client_options()) as producer:
            await producer.send_and_wait("t", b"value")


async def refused(access: KafkaAccess, match: str) -> None:
    """Say what is wrong, in time, and nothing secret."""
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ConfigurationError, match=match) as caught:
            await cluster_id(access)
    assert "gehuetet" not in f"{caught.value!r} {access!r}"


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
async def test_a_user_gets_in_by_password(secure: SecureKafka, mechanism: str) -> None:
    await works(secure.scram(USER, mechanism=mechanism))


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
@pytest.mark.parametrize("user", [USER, "nobody"])
async def test_a_wrong_password_or_user_is_named(secure: SecureKafka, mechanism: str, user: str) -> None:
    await refused(secure.scram(user, "un-gehuetet", mechanism), "check user name and password")


async def test_a_mechanism_that_the_broker_does_not_take_is_named(secure: SecureKafka) -> None:
    await refused(secure.scram(USER, mechanism="SCRAM-SHA-256"), "SEALSTREAM_KAFKA_SASL_MECHANISM")


async def test_a_certificate_gets_in(secure: SecureKafka) -> None:
    await works(secure.mutual_tls(USER))


async def test_no_certificate_where_one_is_asked_for_is_named(secure: SecureKafka) -> None:
    await refused(
        KafkaAccess(secure.cluster.address("MTLS"), SecurityProtocol.SSL, TlsFiles(ca=secure.authority.file)),
        "SEALSTREAM_KAFKA_CERTIFICATE_FILE|asks for a client certificate",
    )


async def test_a_certificate_from_another_authority_is_named(secure: SecureKafka, tmp_path: Path) -> None:
    ours = Authority(tmp_path / "other", "Other CA").sign(USER)
    tls = TlsFiles(ca=secure.authority.file, certificate=ours.certificate, key=ours.key)
    await refused(
        KafkaAccess(secure.cluster.address("MTLS"), SecurityProtocol.SSL, tls),
        "SEALSTREAM_KAFKA_CERTIFICATE_FILE|client certificate",
    )


async def test_a_broker_whose_authority_we_do_not_trust_is_refused(secure: SecureKafka, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other", "Other CA")
    await refused(
        KafkaAccess(secure.cluster.address("MTLS"), SecurityProtocol.SSL, TlsFiles(ca=other.file)),
        "SEALSTREAM_KAFKA_CA_FILE",
    )


async def test_a_broker_under_a_name_that_its_certificate_lacks_is_refused(secure: SecureKafka) -> None:
    address = secure.cluster.address("MTLS").replace("127.0.0.1", "localhost")
    await refused(KafkaAccess(address, SecurityProtocol.SSL, TlsFiles(ca=secure.authority.file)), "another host name")


@pytest.mark.parametrize(
    ("listener", "protocol"),
    [
        pytest.param("PLAINTEXT", SecurityProtocol.SSL, id="TLS to a plain listener"),
        pytest.param("MTLS", SecurityProtocol.PLAINTEXT, id="plain to a TLS listener"),
        pytest.param("SCRAM", SecurityProtocol.SSL, id="no SASL to a SASL listener"),
        pytest.param("PLAINTEXT", SecurityProtocol.SASL_PLAINTEXT, id="SASL to a plain listener"),
        pytest.param("SCRAM", SecurityProtocol.SASL_PLAINTEXT, id="SASL in the clear to a TLS listener"),
    ],
)
async def test_a_protocol_that_the_listener_does_not_speak_is_named(
    secure: SecureKafka, listener: str, protocol: SecurityProtocol
) -> None:
    tls = TlsFiles(ca=secure.authority.file) if protocol.encrypted else TlsFiles()
    sasl = Password(SaslMechanism.SCRAM_SHA_512, USER, "gehuetet") if protocol.authenticates else None
    await refused(
        KafkaAccess(secure.cluster.address(listener), protocol, tls, sasl), "SEALSTREAM_KAFKA_PROTOCOL|speaks"
    )


@pytest.mark.parametrize("way_in", ["password", "certificate", "token"])
async def test_an_app_reads_frames_by_every_way_in(secure: SecureKafka, tmp_path: Path, way_in: str) -> None:
    (tmp_path / "token").write_text(secure.issuer.token(USER))
    access = {
        "password": secure.scram(USER),
        "certificate": secure.mutual_tls(USER),
        "token": by_token(secure, TokenFile(tmp_path / "token")),
    }[way_in]
    read = asyncio.Event()

    async def see(_: Frame) -> None:
        read.set()

    store = MemoryStore()
    app = build_app(
        f"g-{way_in}",
        kafka=access,
        frames=FrameOptions(positions=store.positions, drain_timeout=timedelta(seconds=1)),
        datadir=tmp_path / "faust",
        session_timeout=timedelta(seconds=2),
    )
    collect(app, "t", work=see)
    await works(access)
    async with asyncio.timeout(PATIENCE), running(app):
        await read.wait()


def by_token(secure: SecureKafka, source: TokenFile | TokenEndpoint) -> KafkaAccess:
    tls = TlsFiles(ca=secure.authority.file)
    return KafkaAccess(secure.cluster.address("OAUTH"), SecurityProtocol.SASL_SSL, tls, Token(source))


async def test_a_token_from_a_file_gets_in_and_a_renewed_one_is_seen(secure: SecureKafka, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(secure.issuer.token(USER, seconds=-60))
    access = by_token(secure, TokenFile(file))
    await refused(access, "the token and its claims")
    file.write_text(secure.issuer.token(USER) + "\n")
    await works(access)
    file.write_text(secure.issuer.token(USER, audience="mail"))
    await refused(access, "the token and its claims")


@pytest.mark.parametrize("content", [None, ""])
async def test_a_token_file_that_holds_none_is_named(secure: SecureKafka, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    await refused(by_token(secure, TokenFile(file)), str(file))


async def test_a_token_from_an_endpoint_gets_in_and_serves_many_connections(secure: SecureKafka) -> None:
    server = secure.authority.sign("identity", hosts=("127.0.0.1",))
    with token_endpoint(secure.issuer, server, {USER: "gehuetet"}) as endpoint:
        source = TokenEndpoint(endpoint.url, USER, "gehuetet", "kafka", TlsFiles(ca=secure.authority.file))
        await works(by_token(secure, source))
        await works(by_token(secure, source))
        assert [form.get("scope") for form in endpoint.asked] == [["kafka"]]


async def test_a_token_is_renewed_before_it_ends(secure: SecureKafka) -> None:
    server = secure.authority.sign("identity", hosts=("127.0.0.1",))
    with token_endpoint(secure.issuer, server, {USER: "gehuetet"}) as endpoint:
        endpoint.lifetime = 0
        source = TokenEndpoint(endpoint.url, USER, "gehuetet", tls=TlsFiles(ca=secure.authority.file))
        await asyncio.gather(source.token(), source.token())
        assert len(endpoint.asked) == 2


async def test_a_client_that_the_token_endpoint_does_not_know_is_named(secure: SecureKafka) -> None:
    server = secure.authority.sign("identity", hosts=("127.0.0.1",))
    with token_endpoint(secure.issuer, server, {USER: "other"}) as endpoint:
        source = TokenEndpoint(endpoint.url, USER, "gehuetet", tls=TlsFiles(ca=secure.authority.file))
        await refused(by_token(secure, source), "HTTP 401; check client id, secret")
        elsewhere = TokenEndpoint(endpoint.url.replace("/token", "/elsewhere"), USER, "gehuetet", tls=source.tls)
        with pytest.raises(TokenUnavailable, match="HTTP 307"):
            await elsewhere.token()


async def test_a_token_endpoint_that_we_do_not_trust_is_sent_no_secret(secure: SecureKafka, tmp_path: Path) -> None:
    server = Authority(tmp_path / "other", "Other CA").sign("identity", hosts=("127.0.0.1",))
    with token_endpoint(secure.issuer, server, {USER: "gehuetet"}) as endpoint:
        source = TokenEndpoint(endpoint.url, USER, "gehuetet", tls=TlsFiles(ca=secure.authority.file))
        await refused(by_token(secure, source), "check URL and CA file")
        assert not endpoint.asked
    with pytest.raises(ConfigurationError, match="https"):
        TokenEndpoint("http://identity.example/token", USER, "gehuetet")
