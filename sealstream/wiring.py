"""Builds the real collaborators from the settings; nothing else does."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from ssl import get_default_verify_paths

from cryptography import x509

from agents.inference.model_store import ModelStore
from agents.lanes.messages import TOPICS as LANE_TOPICS
from agents.platform.identity import Identity
from agents.relay.notices import NoticeTopics
from schemas.catalogue import DEFAULT_CATALOGUE
from schemas.errors import ConfigurationError
from sealstream.settings import Settings
from security.file_keyring import FileKeyring
from security.note import KeyType, Verifier
from security.timestamp import load_authorities
from streams.kafka import (
    KafkaAccess,
    Kerberos,
    Password,
    SaslMechanism,
    SecurityProtocol,
    TlsFiles,
    Token,
    TokenEndpoint,
    TokenFile,
)
from streams.positions import POSITIONS_CONFIG, read_positions
from streams.publication import KafkaPublication, open_publication
from streams.storage.catalogue import seed_catalogue
from streams.storage.database import Database, Reach
from streams.storage.relaying import RelayPosition
from streams.storage.revision import check_migrated
from streams.storage.witnessing import Showing
from streams.topics import TopicSpec, create_topics

KEYS = "keys"
MODELS = "models"


def keyring_dir(settings: Settings) -> Path:
    """Where the file keyring lies.

    Raises:
        ConfigurationError: Neither a keyring nor a data directory is named.
    """
    if settings.keyring_dir is not None:
        return settings.keyring_dir
    if settings.data_dir is None:
        raise ConfigurationError("no keyring: set SEALSTREAM_KEYRING_DIR or SEALSTREAM_DATA_DIR")
    return settings.data_dir / KEYS


def model_store(settings: Settings) -> ModelStore | None:
    """Where registered models lie; None where neither that nor a data directory is configured."""
    if settings.model_store is not None:
        return ModelStore(settings.model_store)
    return None if settings.data_dir is None else ModelStore(settings.data_dir / MODELS)


def open_identity(settings: Settings) -> Identity:
    """The platform's own keys. No server is asked yet.

    Raises:
        ConfigurationError: In production: the file keyring is for development. Or the provider's settings lack one.
    """
    if settings.key_provider != "file":
        # Only then: a vault's client is a tenth of what a process imports.
        from sealstream.key_providers import provider_keyring

        return Identity(provider_keyring(settings), settings.log_origin)
    if settings.env == "production":
        raise ConfigurationError(
            "the file keyring is refused when SEALSTREAM_ENV=production; set SEALSTREAM_KEY_PROVIDER to openbao or "
            "pkcs11, see docs/keys.md"
        )
    return Identity(FileKeyring(keyring_dir(settings)), settings.log_origin)


def open_database(
    settings: Settings,
    name: str,
    *,
    connections: int = 4,
    patience: timedelta | None = None,
    role: str | None = None,
    reach: Reach = (),
) -> Database:
    """The database, not connected yet.

    Args:
        role: See `Database`; `reach` too.

    Raises:
        ConfigurationError: None is configured.
    """
    name = f"sealstream {name}"
    dsn = required_dsn(settings)
    return Database(dsn, name=name, connections=connections, patience=patience, role=role, reach=reach)


def required_dsn(settings: Settings) -> str:
    """The database URL, for what only works with a running platform."""
    if settings.dsn is None:
        raise ConfigurationError("no database: set SEALSTREAM_DATABASE_URL, or use `sealstream up` or `sealstream run`")
    return settings.dsn


def required_bootstrap(settings: Settings) -> str:
    """The brokers' addresses, for what only works with a running platform."""
    if settings.kafka_bootstrap is None:
        raise ConfigurationError(
            "no broker: set SEALSTREAM_KAFKA_BOOTSTRAP, or use `sealstream up` or `sealstream run`"
        )
    return settings.kafka_bootstrap


def required_kafka(settings: Settings) -> KafkaAccess:
    """Where Kafka is and how we get in, for what only works with a running platform.

    Raises:
        ConfigurationError: No broker is configured, or what is configured of its security does not fit together.
    """
    return KafkaAccess(
        required_bootstrap(settings),
        SecurityProtocol(settings.kafka_protocol),
        TlsFiles(
            ca=settings.kafka_ca_file,
            certificate=settings.kafka_certificate_file,
            key=settings.kafka_key_file,
            key_password=settings.secret("kafka_key_password"),
        ),
        _sasl(settings),
    )


def _sasl(settings: Settings) -> Password | Token | Kerberos | None:
    match settings.kafka_sasl_mechanism:
        case None:
            return None
        case "GSSAPI":
            return Kerberos(settings.kafka_kerberos_service)
        case "OAUTHBEARER":
            return Token(_token_source(settings))
        case mechanism:
            username, password = settings.kafka_username, settings.secret("kafka_password")
            if username is None or password is None:
                raise ConfigurationError(
                    f"{mechanism} needs SEALSTREAM_KAFKA_USERNAME and SEALSTREAM_KAFKA_PASSWORD or …_PASSWORD_FILE"
                )
            return Password(SaslMechanism(mechanism), username, password)


def _token_source(settings: Settings) -> TokenFile | TokenEndpoint:
    if settings.kafka_token_file is not None:
        return TokenFile(settings.kafka_token_file)
    secret = settings.secret("kafka_client_secret")
    if settings.kafka_token_url is None or settings.kafka_client_id is None or secret is None:
        raise ConfigurationError(
            "OAUTHBEARER needs SEALSTREAM_KAFKA_TOKEN_FILE, or SEALSTREAM_KAFKA_TOKEN_URL with …_CLIENT_ID and "
            "…_CLIENT_SECRET or …_CLIENT_SECRET_FILE"
        )
    return TokenEndpoint(
        settings.kafka_token_url,
        settings.kafka_client_id,
        secret,
        settings.kafka_scope,
        TlsFiles(ca=settings.kafka_token_ca_file),
    )


async def prepare_database(settings: Settings) -> None:
    """Migrate a development database and seed the catalogue; only check a production one."""
    dsn = required_dsn(settings)
    if settings.env == "production":
        await check_migrated(dsn, durable=True)
        return
    from streams.storage.migrate import migrate  # only here: the migration tool takes a second to import

    await migrate(dsn)
    async with open_database(settings, "prepare") as database, database.session() as connection:
        await seed_catalogue(connection, DEFAULT_CATALOGUE)


def lane_group(settings: Settings) -> str:
    """Kafka consumer group of the lanes, and the name that their progress is kept under."""
    return f"{settings.group}.infer"


def known_witnesses(settings: Settings) -> list[tuple[str, Verifier]]:
    """Who cosigns checkpoints: where each is asked, and its key.

    Raises:
        ConfigurationError: A key is malformed or not a witness's, or two witnesses share a name.
    """
    found = [(url, Verifier.from_vkey(vkey)) for url, vkey in map(str.split, settings.witnesses)]
    names = [verifier.name for _, verifier in found]
    if any(verifier.key_type is not KeyType.COSIGNATURE for _, verifier in found):
        raise ConfigurationError("SEALSTREAM_WITNESSES: a witness's key has type 0x04; ask its operator for its vkey")
    if len(set(names)) < len(names):
        raise ConfigurationError("SEALSTREAM_WITNESSES: two witnesses have the same name, so they would count once")
    return found


def timestamp_authorities(settings: Settings) -> list[x509.Certificate]:
    """Whom we let tell the time; nobody, where no authority is configured.

    Raises:
        ConfigurationError: Their certificates can't be read.
    """
    if settings.timestamp_url is None and settings.timestamp_ca_file is None:
        return []
    path = settings.timestamp_ca_file or get_default_verify_paths().cafile
    if path is None:
        raise ConfigurationError("this system has no file of authorities; set SEALSTREAM_TIMESTAMP_CA_FILE")
    return load_authorities(Path(path))


def showing(settings: Settings) -> Showing:
    """Which checkpoints are shown to the world."""
    return Showing(settings.min_witnesses, tuple(verifier.name for _, verifier in known_witnesses(settings)))


def notice_topics(tenant: str) -> NoticeTopics:
    """The outgoing topics of a tenant."""
    return NoticeTopics(f"results.{tenant}", f"audit.{tenant}", f"dead-letters.{tenant}")


def origin_prefix(settings: Settings) -> str:
    """What the origins of this platform's logs begin with."""
    return f"{settings.log_origin}/"


def relay_name(settings: Settings) -> str:
    """The transactional id of this platform's relays."""
    return f"sealstream-relay {settings.log_origin}"


def open_relay_publication(settings: Settings) -> AbstractAsyncContextManager[KafkaPublication]:
    """The relay's way out: every relay of this platform fences the one before it."""
    return open_publication(
        required_kafka(settings),
        relay_name(settings),
        settings.positions_topic,
        origin_prefix(settings),
    )


async def published_positions(settings: Settings) -> Mapping[str, RelayPosition]:
    """How far each log is published, by the broker's word."""
    found = await read_positions(required_kafka(settings), settings.positions_topic, origin_prefix(settings))
    return found.logs


async def create_all_topics(settings: Settings, tenants: list[str]) -> list[str]:
    """Create the inbound topics, the lanes, the relay's, and these tenants' outgoing ones; returns what was missing."""
    specs = [TopicSpec(name, settings.partitions, settings.replication) for name in settings.topics_in]
    specs += [TopicSpec(name, 1, settings.replication) for tenant in tenants for name in notice_topics(tenant)]
    specs += [TopicSpec(name, settings.partitions, settings.replication) for name in LANE_TOPICS]
    specs.append(TopicSpec(settings.positions_topic, 1, settings.replication, POSITIONS_CONFIG))
    return await create_topics(required_kafka(settings), specs)


@asynccontextmanager
async def connected(
    settings: Settings, name: str, *, connections: int = 4, patience: timedelta | None = None
) -> AsyncIterator[Database]:
    """A connected database whose schema fits this program.

    Args:
        patience: How long a statement may take; None for commands whose statements may take long.

    Raises:
        StorageError: It can't be reached or is not migrated.
    """
    await check_migrated(required_dsn(settings), durable=settings.env == "production")
    async with open_database(settings, name, connections=connections, patience=patience) as database:
        yield database
