"""All settings: `SEALSTREAM_*` variables or `sealstream.toml`. Parts receive values from here, never this object."""

import datetime as dt
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from schemas.errors import ConfigurationError

CONFIG_FILE = "sealstream.toml"


class Settings(BaseSettings):
    """The settings in force.

    Without `database_url` and `kafka_bootstrap` the embedded servers are used, which production refuses.
    """

    model_config = SettingsConfigDict(env_prefix="SEALSTREAM_", toml_file=CONFIG_FILE, frozen=True, extra="forbid")

    env: Literal["development", "production"] = "development"
    data_dir: Path | None = Field(None, description="Where embedded servers and keys live; None: a temporary directory")
    keyring_dir: Path | None = Field(None, description="File keyring; default `<data_dir>/keys`")
    database_url: SecretStr | None = Field(None, description="postgresql://user:password@host:port/name")
    database_url_file: Path | None = Field(None, description="File that holds the database URL")
    kafka_bootstrap: str | None = Field(None, description="host:port of the brokers, separated by commas")
    group: str = Field("sealstream", description="Kafka consumer group, and the name that progress is kept under")
    log_origin: str = Field("sealstream.local/logs", description="Prefix of every log's origin")
    topics_in: tuple[str, ...] = ("transactions", "statements", "documents", "records")
    partitions: int = Field(8, ge=1, description="Partitions of each inbound topic that we create")
    replication: int = Field(1, ge=1)
    checkpoint_every: dt.timedelta = dt.timedelta(seconds=1)
    session_timeout: dt.timedelta = dt.timedelta(seconds=30)
    fetch_max_wait: dt.timedelta = Field(
        dt.timedelta(milliseconds=50), description="How long a broker may hold an empty fetch"
    )
    budget_bytes: int = Field(64 << 20, ge=1 << 20, description="Bytes of records in work at once, for each worker")
    max_frame_records: int = Field(500, ge=1)

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

    @model_validator(mode="after")
    def _production_is_strict(self) -> Self:
        if self.env == "production" and not (self.dsn and self.kafka_bootstrap):
            raise ValueError("production needs SEALSTREAM_DATABASE_URL and SEALSTREAM_KAFKA_BOOTSTRAP")
        return self

    @property
    def dsn(self) -> str | None:
        """The database URL, with its password: never print it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        if self.database_url_file is not None:
            try:
                return self.database_url_file.read_text().strip()
            except OSError as exc:
                raise ConfigurationError(f"can't read SEALSTREAM_DATABASE_URL_FILE: {exc.strerror}") from exc
        return None


def load_settings(**overrides: Any) -> Settings:
    """Read the settings.

    Raises:
        ConfigurationError: Which one is wrong and why; values are not repeated, they may be secrets.
    """
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    try:
        return Settings(**overrides)
    except (SettingsError, TOMLDecodeError) as exc:
        # Their texts can quote the value.
        raise ConfigurationError(
            f"settings: a SEALSTREAM_ variable or {CONFIG_FILE} has not its form ({type(exc).__name__}); lists are JSON"
        ) from None
    except ValidationError as exc:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in exc.errors())
        raise ConfigurationError(f"settings: {faults}") from exc
