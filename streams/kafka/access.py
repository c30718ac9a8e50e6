"""One description of how to reach Kafka, from which every client of ours is made. No secret is in its repr.

Certificates are `streams.kafka.tls`, OAuth tokens `streams.kafka.tokens`, reasons of a failure `streams.kafka.refusal`.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from importlib.util import find_spec
from typing import Any, Final

from aiokafka.abc import AbstractTokenProvider

from schemas.errors import ConfigurationError
from streams.kafka.tls import TlsFiles


class SecurityProtocol(StrEnum):
    """Kafka's names for how a listener is protected."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"

    @property
    def encrypted(self) -> bool:
        """Whether it is TLS."""
        return self in (SecurityProtocol.SSL, SecurityProtocol.SASL_SSL)

    @property
    def authenticates(self) -> bool:
        """Whether it is SASL."""
        return self in (SecurityProtocol.SASL_PLAINTEXT, SecurityProtocol.SASL_SSL)


class SaslMechanism(StrEnum):
    """Kafka's names for how a client proves who it is."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"
    OAUTHBEARER = "OAUTHBEARER"
    GSSAPI = "GSSAPI"


PASSWORD_MECHANISMS: Final = (SaslMechanism.PLAIN, SaslMechanism.SCRAM_SHA_256, SaslMechanism.SCRAM_SHA_512)


@dataclass(frozen=True, slots=True)
class Password:
    """PLAIN or SCRAM."""

    mechanism: SaslMechanism
    username: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if self.mechanism not in PASSWORD_MECHANISMS:
            raise ConfigurationError(f"{self.mechanism} takes no password")

    def client_options(self) -> dict[str, Any]:
        """As aiokafka's clients take it."""
        return {"sasl_plain_username": self.username, "sasl_plain_password": self.password}


@dataclass(frozen=True, slots=True)
class Token:
    """OAUTHBEARER."""

    source: AbstractTokenProvider
    mechanism: SaslMechanism = field(default=SaslMechanism.OAUTHBEARER, init=False)

    def client_options(self) -> dict[str, Any]:
        """As aiokafka's clients take it."""
        return {"sasl_oauth_token_provider": self.source}


@dataclass(frozen=True, slots=True)
class Kerberos:
    """GSSAPI, with the ticket that the environment has (``kinit``, or ``KRB5_CLIENT_KTNAME``).

    Raises:
        ConfigurationError: The extra ``gssapi`` is not installed.
    """

    service: str = "kafka"
    mechanism: SaslMechanism = field(default=SaslMechanism.GSSAPI, init=False)

    def __post_init__(self) -> None:
        if find_spec("gssapi") is None:
            raise ConfigurationError("GSSAPI needs the extra: install sealstream[gssapi] and the Kerberos libraries")

    def client_options(self) -> dict[str, Any]:
        """As aiokafka's clients take it."""
        return {"sasl_kerberos_service_name": self.service}


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """Where Kafka is and how we get in.

    Attributes:
        bootstrap_servers: ``host:port``, several separated by commas.
        protocol: How the listener is protected.
        tls: Whom we trust and, for mutual TLS, who we are.
        sasl: How we prove who we are; exactly when the protocol is a SASL one.
    """

    bootstrap_servers: str
    protocol: SecurityProtocol = SecurityProtocol.PLAINTEXT
    tls: TlsFiles = field(default_factory=TlsFiles)
    sasl: Password | Token | Kerberos | None = None

    def __post_init__(self) -> None:
        if self.protocol.authenticates and self.sasl is None:
            raise ConfigurationError(f"{self.protocol} needs a SASL mechanism; without one use SSL or PLAINTEXT")
        if self.sasl is not None and not self.protocol.authenticates:
            raise ConfigurationError(
                f"a SASL mechanism is given, but {self.protocol} sends none; use SASL_SSL, or leave it out"
            )
        if self.tls != TlsFiles() and not self.protocol.encrypted:
            raise ConfigurationError(f"TLS files are given, but {self.protocol} is not encrypted; use SSL or SASL_SSL")

    def client_options(self) -> dict[str, Any]:
        """Address and security as every client of aiokafka takes them; certificate files are read anew.

        Raises:
            ConfigurationError: A certificate or key can't be used.
        """
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "security_protocol": self.protocol.value,
            "ssl_context": self.tls.context() if self.protocol.encrypted else None,
        }
        if self.sasl is not None:
            options |= {"sasl_mechanism": self.sasl.mechanism.value, **self.sasl.client_options()}
        return options
