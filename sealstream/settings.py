"""All settings: `SEALSTREAM_*` variables or `sealstream.toml`. Parts receive values from here, never this object."""

import datetime as dt
import re
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from schemas.errors import ConfigurationError
from sealstream.address import parse_address
from streams.loopback import is_loopback

CONFIG_FILE = "sealstream.toml"
# A process of ours may run in another directory.
Place = Annotated[Path, AfterValidator(Path.absolute)]
KeyProviderName = Literal["file", "openbao", "pkcs11"]
SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI"]


class Settings(BaseSettings):
    """The settings in force.

    Without `database_url` and `kafka_bootstrap` the embedded servers are used, which production refuses.
    """

    model_config = SettingsConfigDict(env_prefix="SEALSTREAM_", toml_file=CONFIG_FILE, frozen=True, extra="forbid")

    env: Literal["development", "production"] = "development"
    data_dir: Place | None = Field(
        None, description="Where embedded servers and keys live; None: a temporary directory"
    )
    keyring_dir: Place | None = Field(None, description="File keyring; default `<data_dir>/keys`")
    model_store: Place | None = Field(None, description="Where registered models lie; default `<data_dir>/models`")
    key_provider: KeyProviderName = Field("file", description="What keeps the keys; production refuses file")
    tier_key_ttl: dt.timedelta = Field(
        dt.timedelta(hours=1),
        ge=dt.timedelta(seconds=2),
        description="How long a worker seals without the key provider; it asks again after half of that",
    )
    openbao_address: str | None = Field(None, description="https://host:port of OpenBao or Vault")
    openbao_mount: str = Field("transit", pattern=r"^[\w-]+(/[\w-]+)*$", description="Path of its Transit engine")
    openbao_ca_file: Place | None = Field(None, description="PEM; whom we trust to name it; default the system's")
    openbao_token_file: Place | None = Field(None, description="Token that something else renews; mode 0600")
    openbao_role_id: str | None = Field(None, description="AppRole, instead of a token")
    openbao_secret_id_file: Place | None = Field(None, description="The AppRole's secret id; mode 0600")
    pkcs11_module: Place | None = Field(None, description="Shared library of the HSM's vendor")
    pkcs11_token: str | None = Field(None, description="Label of the token that holds the keys")
    pkcs11_pin_file: Place | None = Field(None, description="Its user PIN; mode 0600")
    database_url: SecretStr | None = Field(None, description="postgresql://user:password@host:port/name")
    database_url_file: Place | None = Field(None, description="File that holds the database URL")
    kafka_bootstrap: str | None = Field(None, description="host:port of the brokers, separated by commas")
    kafka_protocol: SecurityProtocol = Field("PLAINTEXT", description="How the brokers' listener is protected")
    kafka_sasl_mechanism: SaslMechanism | None = None
    kafka_username: str | None = Field(None, description="For PLAIN and SCRAM")
    kafka_password: SecretStr | None = None
    kafka_password_file: Place | None = None
    kafka_ca_file: Place | None = Field(None, description="PEM; whom we trust to name a broker; default the system's")
    kafka_certificate_file: Place | None = Field(None, description="PEM; our certificate, for mutual TLS")
    kafka_key_file: Place | None = Field(None, description="PEM; its private key")
    kafka_key_password: SecretStr | None = None
    kafka_key_password_file: Place | None = None
    kafka_token_file: Place | None = Field(None, description="OAuth token that something else renews")
    kafka_token_url: str | None = Field(None, description="OAuth token endpoint, for the client-credentials grant")
    kafka_client_id: str | None = Field(None, description="OAuth client")
    kafka_client_secret: SecretStr | None = None
    kafka_client_secret_file: Place | None = None
    kafka_scope: str | None = Field(None, description="OAuth scope to ask for")
    kafka_token_ca_file: Place | None = Field(None, description="PEM; whom we trust to name the token endpoint")
    kafka_kerberos_service: str = Field("kafka", description="First part of the brokers' principal, for GSSAPI")
    kafka_plaintext_on_loopback: bool = Field(False, description="Lets production do without TLS on this machine")
    group: str = Field("sealstream", description="Kafka consumer group, and the name that progress is kept under")
    log_origin: str = Field("sealstream.local/logs", description="Prefix of every log's origin")
    topics_in: tuple[str, ...] = ("transactions", "statements", "documents", "records")
    positions_topic: str = Field("relay-positions", description="Compacted topic of how far each log is published")
    backup_window: dt.timedelta = Field(
        dt.timedelta(days=3), description="Age of the oldest backup that is restored; topics must keep records longer"
    )
    partitions: int = Field(8, ge=1, description="Partitions of each inbound topic that we create")
    replication: int = Field(1, ge=1)
    checkpoint_every: dt.timedelta = dt.timedelta(seconds=1)
    text_models: tuple[str, ...] = Field(
        (),
        description="Directories of text models, or `shipped:NAME`, that `run` and `up` register and activate; "
        "not in production, see `sealstream models`",
    )
    batch_time_limit: dt.timedelta = Field(
        dt.timedelta(seconds=30),
        gt=dt.timedelta(0),
        description="A device that works longer on one batch is taken for hung",
    )
    lane_grace: dt.timedelta = Field(
        dt.timedelta(minutes=10),
        gt=dt.timedelta(0),
        description="A deferred record without an answer is given up so long after its deadline",
    )
    witnesses: tuple[str, ...] = Field(
        (), description="Who cosigns checkpoints, each as `URL vkey`: where requests go, and the witness's key"
    )
    min_witnesses: int = Field(
        0, ge=0, description="Logs are shown up to the newest checkpoint that so many witnesses have cosigned"
    )
    timestamp_url: str | None = Field(None, description="RFC 3161 authority that says when checkpoints were there")
    timestamp_ca_file: Place | None = Field(None, description="PEM; whom we let tell the time; default the system's")
    timestamp_every: dt.timedelta = Field(
        dt.timedelta(minutes=10), ge=dt.timedelta(seconds=1), description="From one timestamp of a log to the next"
    )
    sequence_window: dt.timedelta = Field(
        dt.timedelta(minutes=5), ge=dt.timedelta(0), description="A number missing for so long is noted as a gap"
    )
    session_timeout: dt.timedelta = dt.timedelta(seconds=30)
    database_patience: dt.timedelta = Field(
        dt.timedelta(seconds=20), gt=dt.timedelta(0), description="After so long a worker's statement counts as lost"
    )
    drain_limit: dt.timedelta = Field(
        dt.timedelta(seconds=15), ge=dt.timedelta(0), description="How long a worker that is told to stop may finish"
    )
    fetch_max_wait: dt.timedelta = Field(
        dt.timedelta(milliseconds=50), description="How long a broker may hold an empty fetch"
    )
    budget_bytes: int = Field(64 << 20, ge=1 << 20, description="Bytes of records in work at once, for each worker")
    max_frame_records: int = Field(2_000, ge=1, description="Records in a frame at most")
    observe_listen: str = Field(
        "127.0.0.1:0",
        description="host:port where each worker serves /metrics, /healthz and /readyz, or off; port 0 is any free "
        "one, and a port that is taken makes way for the next",
    )
    api_listen: str = Field(
        "127.0.0.1:8080", description="host:port of the REST API that `sealstream up` serves; empty for none"
    )
    api_audience: str = Field("sealstream", min_length=1, description="What bearer tokens for us name as their `aud`")
    api_issuers: tuple[str, ...] = Field(
        (),
        description="Whose bearer tokens are taken, each as `URL JWKS_URL ALGORITHM[,ALGORITHM] [at+jwt|JWT] [PIN…]`",
    )
    api_rate: float = Field(100.0, gt=0, description="Requests a second that one person may make; twice that at once")
    api_tenant_rate: float = Field(1_000.0, gt=0, description="Likewise, all people of a tenant")
    api_max_body: int = Field(262_144, ge=1_024, description="Bytes of a request's body")
    api_cors_origins: tuple[str, ...] = Field((), description="Sites whose scripts may use the API from a browser")
    release: tuple[str, ...] = Field(
        (),
        description="Which processes open fields for the API, each as `SCOPE[,SCOPE…] SOCKET`; none: it holds the keys",
    )
    release_in_process: bool = Field(False, description="Lets the API hold the keys itself in production")
    release_scopes: tuple[str, ...] = Field(
        ("*/*/1-5",), description="What `sealstream release` holds keys for, each as tenant/domain/tier"
    )
    release_socket: Place | None = Field(None, description="Where it listens; default `<data_dir>/release/socket`")
    release_users: tuple[int, ...] = Field(
        (), description="Numbers of the users whose processes it answers; by default its own"
    )
    console_url: str = Field(
        "",
        description="Where people open the console, as in https://console.example.org; their authenticators sign for "
        "that alone. By default localhost at the port of the API",
    )
    otlp_endpoint: str | None = Field(
        None, description="URL of an OpenTelemetry collector (OTLP over HTTP) for traces; needs sealstream[otel]"
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] | None = Field(None, description="Default: json in production")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over variables, variables over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @field_validator("observe_listen")
    @classmethod
    def _is_an_address(cls, text: str) -> str:
        parse_address(text)
        return text

    @field_validator("api_listen")
    @classmethod
    def _is_an_address_or_empty(cls, text: str) -> str:
        if text:
            parse_address(text)
        return text

    @field_validator("api_cors_origins")
    @classmethod
    def _are_origins(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        if not all(text.startswith(("https://", "http://")) and text.count("/") == 2 for text in texts):
            raise ValueError("each is an origin, as in https://console.example.org")
        return texts

    @field_validator("console_url")
    @classmethod
    def _is_a_console(cls, text: str) -> str:
        # Anywhere else a browser lets no authenticator sign.
        if text and not re.fullmatch(r"https://[a-z0-9.-]+(:\d{1,5})?|http://localhost(:\d{1,5})?", text):
            raise ValueError("an origin, as in https://console.example.org, or http://localhost:8080")
        return text

    @field_validator("witnesses")
    @classmethod
    def _are_witnesses(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            url, *key = text.split()
            if len(key) != 1 or not url.startswith(("http://", "https://")):
                raise ValueError("each is the URL of a witness, a space, and its vkey")
        return texts

    @field_validator("timestamp_url")
    @classmethod
    def _is_an_authority(cls, text: str | None) -> str | None:
        if text is not None and not text.startswith(("http://", "https://")):
            raise ValueError("the URL of a timestamp authority, as in https://tsa.example.org/")
        return text

    @field_validator("openbao_address")
    @classmethod
    def _is_protected(cls, text: str | None) -> str | None:
        # What goes there opens everything: no setting makes up for TLS.
        if text is not None and not text.startswith("https://"):
            raise ValueError("the address of a server with TLS, as in https://vault.example.org:8200")
        return text

    @field_validator("otlp_endpoint")
    @classmethod
    def _is_a_url(cls, text: str | None) -> str | None:
        if text is not None and not text.startswith(("http://", "https://")):
            raise ValueError("the URL of a collector, as in http://127.0.0.1:4318")
        return text

    @model_validator(mode="after")
    def _security_has_a_broker(self) -> Self:
        if self.kafka_protocol != "PLAINTEXT" and not self.kafka_bootstrap:
            raise ValueError("SEALSTREAM_KAFKA_PROTOCOL is given for no broker: set SEALSTREAM_KAFKA_BOOTSTRAP too")
        return self

    @model_validator(mode="after")
    def _witnesses_can_be_enough(self) -> Self:
        if self.min_witnesses > len(self.witnesses):
            raise ValueError("SEALSTREAM_MIN_WITNESSES is more than there are SEALSTREAM_WITNESSES")
        return self

    @model_validator(mode="after")
    def _production_is_strict(self) -> Self:
        if self.env != "production":
            return self
        if not (self.dsn and self.kafka_bootstrap):
            raise ValueError("production needs SEALSTREAM_DATABASE_URL and SEALSTREAM_KAFKA_BOOTSTRAP")
        hosts = [server.strip().rpartition(":")[0] for server in self.kafka_bootstrap.split(",")]
        if self.kafka_protocol not in ("SSL", "SASL_SSL") and not (
            self.kafka_plaintext_on_loopback and all(map(is_loopback, hosts))
        ):
            raise ValueError(
                "production needs SEALSTREAM_KAFKA_PROTOCOL=SASL_SSL or SSL; less is only allowed to brokers on this "
                "machine and with SEALSTREAM_KAFKA_PLAINTEXT_ON_LOOPBACK=true"
            )
        return self

    @property
    def json_logs(self) -> bool:
        """Whether logs are for machines."""
        return self.log_format == "json" if self.log_format is not None else self.env == "production"

    @property
    def dsn(self) -> str | None:
        """The database URL, with its password: never print it."""
        return self.secret("database_url")

    def secret(self, name: str) -> str | None:
        """A secret that is given itself or by the file ``NAME_file``; never print it.

        Raises:
            ConfigurationError: The file can't be read.
        """
        given: SecretStr | None = getattr(self, name)
        if given is not None:
            return given.get_secret_value()
        file: Path | None = getattr(self, f"{name}_file")
        if file is None:
            return None
        try:
            return file.read_text().strip()
        except (OSError, UnicodeError) as exc:
            fact = exc.strerror if isinstance(exc, OSError) else "it is no text"
            raise ConfigurationError(f"can't read SEALSTREAM_{name.upper()}_FILE: {fact}") from exc

    def secrets(self) -> dict[str, str]:
        """Every secret that is given itself, by its setting's name; for a process of ours, never to be printed."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value.get_secret_value() for name, value in values.items() if isinstance(value, SecretStr)}


def load_settings(**overrides: Any) -> Settings:
    """Read the settings.

    Raises:
        ConfigurationError: Which one is wrong and why; values are not repeated, they may be secrets.
    """
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    try:
        return Settings(**overrides)
    except (SettingsError, TOMLDecodeError, UnicodeDecodeError) as exc:
        # Their texts can quote the value.
        raise ConfigurationError(
            f"settings: a SEALSTREAM_ variable or {CONFIG_FILE} has not its form ({type(exc).__name__}); lists are JSON"
        ) from None
    except ValidationError as exc:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in exc.errors())
        raise ConfigurationError(f"settings: {faults}") from exc
