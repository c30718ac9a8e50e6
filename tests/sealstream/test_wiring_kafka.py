"""From settings to the one description of how Kafka is reached."""

from pathlib import Path
from typing import Any

import pytest

from schemas.errors import ConfigurationError
from sealstream.running.embedded import OWN_BROKER
from sealstream.settings import Settings, load_settings
from sealstream.wiring import required_kafka
from streams.kafka import (
    KafkaAccess,
    Password,
    SaslMechanism,
    SecurityProtocol,
    TlsFiles,
    Token,
    TokenEndpoint,
    TokenFile,
)

SECRET = "gut-gehuetet"


def secured(mechanism: str | None = "SCRAM-SHA-512", **given: Any) -> Settings:
    return load_settings(kafka_bootstrap="b:9092", kafka_protocol="SASL_SSL", kafka_sasl_mechanism=mechanism, **given)


def test_an_address_alone_means_plaintext() -> None:
    assert required_kafka(load_settings(kafka_bootstrap="b:9092")) == KafkaAccess("b:9092")


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_user_and_password_themselves_or_from_a_file(mechanism: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    for given in ({"kafka_password": SECRET}, {"kafka_password_file": file}):
        access = required_kafka(secured(mechanism, kafka_username="u", kafka_ca_file=tmp_path / "ca.pem", **given))
        assert access == KafkaAccess(
            "b:9092",
            SecurityProtocol.SASL_SSL,
            TlsFiles(ca=tmp_path / "ca.pem"),
            Password(SaslMechanism(mechanism), "u", SECRET),
        )


def test_a_certificate_and_its_key() -> None:
    files = {"kafka_certificate_file": "/c.pem", "kafka_key_file": "/k.pem", "kafka_key_password": SECRET}
    access = required_kafka(load_settings(kafka_bootstrap="b:9092", kafka_protocol="SSL", **files))
    assert access.tls == TlsFiles(certificate=Path("/c.pem"), key=Path("/k.pem"), key_password=SECRET)


def test_tokens_from_a_file_or_an_endpoint() -> None:
    from_file = required_kafka(secured("OAUTHBEARER", kafka_token_file="/token"))
    assert from_file.sasl == Token(TokenFile(Path("/token")))
    endpoint = {"kafka_token_url": "https://i/token", "kafka_client_id": "c", "kafka_client_secret": SECRET}
    asked = required_kafka(secured("OAUTHBEARER", **endpoint, kafka_scope="s", kafka_token_ca_file="/ca.pem")).sasl
    assert isinstance(asked, Token)
    assert isinstance(asked.source, TokenEndpoint)
    assert (asked.source.url, asked.source.client_id, asked.source.client_secret, asked.source.scope) == (
        "https://i/token",
        "c",
        SECRET,
        "s",
    )
    assert asked.source.tls == TlsFiles(ca=Path("/ca.pem"))


@pytest.mark.parametrize(
    ("mechanism", "given", "match"),
    [
        ("SCRAM-SHA-512", {}, "SEALSTREAM_KAFKA_USERNAME"),
        ("SCRAM-SHA-512", {"kafka_username": "u"}, "SEALSTREAM_KAFKA_PASSWORD"),
        ("SCRAM-SHA-512", {"kafka_username": "u", "kafka_password_file": "/nothing"}, "SEALSTREAM_KAFKA_PASSWORD_FILE"),
        ("OAUTHBEARER", {}, "SEALSTREAM_KAFKA_TOKEN_FILE"),
        ("OAUTHBEARER", {"kafka_token_url": "https://i"}, "CLIENT_SECRET"),
        (None, {}, "needs a SASL mechanism"),
    ],
)
def test_what_is_missing_is_named(mechanism: str | None, given: dict[str, str], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        required_kafka(secured(mechanism, **given))


def test_no_secret_is_shown() -> None:
    settings = secured(
        "OAUTHBEARER",
        kafka_username="u",
        kafka_password=SECRET,
        kafka_key_password=SECRET,
        kafka_token_url="https://i/token",
        kafka_client_id="c",
        kafka_client_secret=SECRET,
    )
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump_json()} {required_kafka(settings)!r}"
    assert settings.secrets() == dict.fromkeys(["kafka_password", "kafka_key_password", "kafka_client_secret"], SECRET)


def test_an_embedded_broker_is_reached_in_its_own_way_whatever_was_set_for_another() -> None:
    settings = secured(kafka_username="u", kafka_password=SECRET, kafka_ca_file="/ca.pem", kafka_certificate_file="/c")
    own = settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:1", **OWN_BROKER})
    assert required_kafka(own) == KafkaAccess("127.0.0.1:1")
