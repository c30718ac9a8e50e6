"""Why Kafka lets us not in: aiokafka logs the reason and raises one error for all; here the reason is found again."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from typing import Final

from aiokafka import errors
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.protocol.metadata import MetadataRequest

from schemas.errors import ConfigurationError, Unavailable
from streams.certificate_faults import certificate_fault
from streams.kafka.access import KafkaAccess
from streams.outages import passes

PATIENCE_MS: Final = 10_000


class BrokerAway(ConfigurationError, Unavailable):
    """No broker answers: it may be down for a moment, or the address is wrong."""


async def require_access(access: KafkaAccess) -> None:
    """Connect once, to the first configured address that lets us in.

    A producer needs this: to aiokafka a refused token looks like an accepted one, and it would wait in vain.

    Raises:
        ConfigurationError: Kafka does not let us in; the text says what to check.
    """
    refusal = await _knock(access)
    if refusal is not None:
        raise refusal


async def explain(access: KafkaAccess, error: BaseException) -> ConfigurationError:
    """Connect once more to find out why a client could not work; returns what to raise.

    Args:
        access: How the client was told to connect.
        error: What it raised; the answer when nothing is wrong with the connection.
    """
    if isinstance(error, ConfigurationError):
        return error
    kind = BrokerAway if passes(error) else ConfigurationError
    return await _knock(access) or kind(
        f"the broker at {access.bootstrap_servers} takes our connection but not what we asked for "
        f"({type(error).__name__}); check our rights (docs/deployment.md) and the broker's log"
    )


async def _knock(access: KafkaAccess) -> ConfigurationError | None:
    """Why no configured address lets us in, by the first one's answer; None when one does."""
    try:
        hosts = list(collect_hosts(access.bootstrap_servers))
        options = access.client_options()
    except ConfigurationError as exc:
        return exc
    except ValueError:
        return ConfigurationError("the broker's address has not the form host:port; check SEALSTREAM_KAFKA_BOOTSTRAP")
    del options["bootstrap_servers"]
    refusals = []
    for host, port, _ in hosts:
        try:
            async with asyncio.timeout(2 * PATIENCE_MS / 1000):
                connection = await create_conn(host, port, request_timeout_ms=PATIENCE_MS, **options)
                try:
                    metadata = await connection.send(MetadataRequest([]))
                finally:
                    connection.close()
            # To somebody who is not authenticated the broker answers with nothing.
            if metadata.brokers or access.sasl is None:
                return None
            raise errors.AuthenticationFailedError
        # Whatever comes from there is classified, the client's own assertions too.
        except Exception as exc:
            refusals.append(_refusal(access, f"{host}:{port}", exc))
    return refusals[0] if refusals else None


def _refusal(access: KafkaAccess, place: str, error: Exception) -> ConfigurationError:
    for each in _chain(error):
        if isinstance(each, ConfigurationError):
            return each
        if (found := _tls_fault(access, each) or _sasl_fault(access, each)) is not None:
            return ConfigurationError(f"the broker at {place} {found}")
    if isinstance(error, socket.gaierror):
        return BrokerAway(f"the broker's name in {place} is not known; check SEALSTREAM_KAFKA_BOOTSTRAP")
    if isinstance(error, ConnectionRefusedError):
        return BrokerAway(
            f"no broker at {place}: it can't be reached; check that it runs and SEALSTREAM_KAFKA_BOOTSTRAP"
        )
    if isinstance(error, TimeoutError):
        return BrokerAway(f"the broker at {place} can't be reached: no answer in time; check address, firewall")
    if isinstance(error, errors.KafkaConnectionError | OSError | EOFError):
        return BrokerAway(
            f"the broker at {place} ended the connection at once; check that its listener speaks {access.protocol} "
            "(SEALSTREAM_KAFKA_PROTOCOL) and whether it asks for a client certificate"
        )
    return ConfigurationError(f"the broker at {place} refuses us ({type(error).__name__}); see its log")


def _tls_fault(access: KafkaAccess, error: BaseException) -> str | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        fault = certificate_fault(
            error,
            authorities="SEALSTREAM_KAFKA_CA_FILE",
            names="SEALSTREAM_KAFKA_BOOTSTRAP and the broker's advertised.listeners",
        )
        return f"shows a certificate that {fault}"
    if not isinstance(error, ssl.SSLError):
        return None
    reason = error.reason or type(error).__name__
    if "CERTIFICATE" in reason or "UNKNOWN_CA" in reason:
        ours = "refuses our certificate" if access.tls.certificate else "asks for a client certificate"
        return f"{ours} ({reason}); check SEALSTREAM_KAFKA_CERTIFICATE_FILE and that the broker trusts its CA"
    return f"can't agree on TLS with us ({reason}); check that its listener speaks {access.protocol}"


def _sasl_fault(access: KafkaAccess, error: BaseException) -> str | None:
    if access.sasl is None:
        return None
    mechanism = access.sasl.mechanism
    if isinstance(error, errors.UnsupportedSaslMechanismError):
        return f"does not take {mechanism}; check SEALSTREAM_KAFKA_SASL_MECHANISM"
    if isinstance(error, errors.IllegalSaslStateError):
        return f"asks for no SASL; check SEALSTREAM_KAFKA_PROTOCOL, now {access.protocol}"
    # The client raises a ValueError when the broker does not know our password either.
    if isinstance(error, errors.SaslAuthenticationFailed | errors.AuthenticationFailedError | ValueError):
        return f"does not let us in with {mechanism}; check user name and password, or the token and its claims"
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
