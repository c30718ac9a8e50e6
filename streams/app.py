"""The Faust application as Sealstream runs it: in this process, without Faust's server, files, topics or signals."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import faust
from aiokafka.errors import KafkaError
from faust.auth import OAuthCredentials
from faust.types import AppT, Message, TopicT
from faust.types.auth import CredentialsT

from schemas.errors import SealstreamError
from streams.frames import BrokerUnavailable, FrameOptions, use_frames
from streams.kafka import KafkaAccess, Kerberos, Password, Token

STOP_TIMEOUT_SECONDS = 60.0
METADATA_MAX_AGE_MS = 5_000  # a topic that was deleted and created again is not missed for longer


class AppCrashed(SealstreamError):
    """The Faust app stopped working; the cause is in ``__cause__``."""


class AppStuck(SealstreamError):
    """The Faust app did not stop in time; nothing may be started beside it in this process."""


class FrameSchema(faust.Schema[None, Any]):
    """Hands an agent the frame's records as they are."""

    def loads_key(self, app: AppT, message: Message, **kwargs: Any) -> None:
        """Frames have no key."""

    def loads_value(self, app: AppT, message: Message, **kwargs: Any) -> Any:
        """The records, undecoded."""
        return message.value


def build_app(
    app_id: str,
    *,
    kafka: KafkaAccess,
    frames: FrameOptions,
    datadir: Path,
    session_timeout: timedelta = timedelta(seconds=30),
    heartbeat_interval: timedelta | None = None,
    settings: Mapping[str, Any] | None = None,
) -> faust.App:
    """Build an app that reads frames. It opens nothing before ``running`` starts it.

    Args:
        app_id: Name of the app and of its Kafka consumer group.
        kafka: Where Kafka is and how we get in.
        frames: How to read.
        datadir: An existing or new directory for Faust; with the settings here it stays empty.
        session_timeout: How long the group waits for a silent member; joining takes half of it on some brokers.
        heartbeat_interval: A third of the session timeout unless given. A blocked event loop is forgiven for the
            session timeout less this.
        settings: More Faust settings, or others in place of those here.
    """
    session_seconds = session_timeout.total_seconds()
    heartbeat_seconds = heartbeat_interval.total_seconds() if heartbeat_interval else session_seconds / 3
    defaults: dict[str, Any] = {
        "broker": [f"frames://{server.strip()}" for server in kafka.bootstrap_servers.split(",")],
        "broker_credentials": _credentials(kafka),
        "broker_session_timeout": session_seconds,
        "broker_heartbeat_interval": heartbeat_seconds,
        "broker_rebalance_timeout": max(session_seconds, 2 * frames.drain_timeout.total_seconds()),
        "consumer_metadata_max_age_ms": METADATA_MAX_AGE_MS,
        "store": "memory://",
        "datadir": datadir,
        "autodiscover": False,
        "web_enabled": False,
        "topic_disable_leader": True,
        "topic_allow_declare": False,
        "worker_redirect_stdouts": False,
    }
    app = faust.App(app_id, **{**defaults, **(settings or {})})
    use_frames(app, frames)
    return app


def frame_topic(app: faust.App, *names: str) -> TopicT:
    """The channel of frames from these topics, for ``app.agent``."""
    return app.topic(*names, schema=FrameSchema())


@asynccontextmanager
async def running(app: faust.App) -> AsyncIterator[faust.App]:
    """Run an app; the body starts when its first partitions are assigned and placed, and is cancelled if it crashes.

    Raises:
        BrokerUnavailable: No broker answered at the start.
        AppCrashed: The app crashed, with its reason as the cause; a reason that is a ``SealstreamError`` is raised
            itself.
        AppStuck: It did not stop in time.
    """
    body = asyncio.current_task()
    assert body is not None
    watcher: asyncio.Task[bool] | None = None
    try:
        app.conf.datadir.mkdir(parents=True, exist_ok=True)
        try:
            await app.start()
        except KafkaError as exc:
            raise BrokerUnavailable(
                f"no broker answered at the configured address ({type(exc).__name__}); start it or correct the address"
            ) from exc
        _raise_if_crashed(app)
        watcher = asyncio.create_task(_cancel_on_crash(app, body))
        yield app
        _raise_if_crashed(app)
    except asyncio.CancelledError:
        if watcher is not None and watcher.done() and watcher.result() and body.uncancel() == 0:
            _raise_if_crashed(app)
        raise
    finally:
        if watcher is not None:
            watcher.cancel()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
                await app.stop()
        except TimeoutError:
            raise AppStuck(f"the Faust app did not stop within {STOP_TIMEOUT_SECONDS:g} s; end the process") from None


async def _cancel_on_crash(app: faust.App, body: asyncio.Task[Any]) -> bool:
    await app.wait_until_stopped()
    if app.crashed:
        body.cancel()
    return app.crashed


def _raise_if_crashed(app: faust.App) -> None:
    if not app.crashed:
        return
    reason = app.crash_reason
    if isinstance(reason, SealstreamError):
        raise reason
    raise AppCrashed(f"the Faust app crashed with {type(reason).__name__}; see the log") from reason


def _credentials(kafka: KafkaAccess) -> CredentialsT | None:
    """The access as Faust's own clients take it; None is plaintext."""
    context = kafka.tls.context() if kafka.protocol.encrypted else None
    match kafka.sasl:
        case Password():
            return faust.SASLCredentials(
                username=kafka.sasl.username,
                password=kafka.sasl.password,
                mechanism=kafka.sasl.mechanism.value,
                ssl_context=context,
            )
        case Token():
            return OAuthCredentials(oauth_cb=kafka.sasl.source, ssl_context=context)
        case Kerberos():
            return faust.GSSAPICredentials(kerberos_service_name=kafka.sasl.service, ssl_context=context)
        case None:
            return None if context is None else faust.SSLCredentials(context)
