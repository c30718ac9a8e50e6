"""How Kafka is reached: addresses, TLS, authentication, and what went wrong when it is not reached."""

from streams.kafka.access import (
    KafkaAccess,
    Kerberos,
    Password,
    SaslMechanism,
    SecurityProtocol,
    Token,
)
from streams.kafka.refusal import BrokerAway, explain, require_access
from streams.kafka.tls import TlsFiles
from streams.kafka.tokens import TokenEndpoint, TokenFile, TokenUnavailable

__all__ = [
    "BrokerAway",
    "KafkaAccess",
    "Kerberos",
    "Password",
    "SaslMechanism",
    "SecurityProtocol",
    "TlsFiles",
    "Token",
    "TokenEndpoint",
    "TokenFile",
    "TokenUnavailable",
    "explain",
    "require_access",
]
