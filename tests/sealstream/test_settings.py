import os
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from schemas.errors import ConfigurationError
from sealstream import settings as settings_module
from sealstream.settings import CONFIG_FILE, Settings, load_settings
from sealstream.wiring import known_witnesses, showing
from security.note import Signer
from streams.kafka import SaslMechanism, SecurityProtocol
from streams.storage.witnessing import Showing

URL = "postgresql://u:gut-gehuetet@db/x"


@pytest.fixture(autouse=True)
def clean(tmp_path: Path) -> Iterator[Path]:
    """Nobody's settings: an empty directory and no variables."""
    before, directory = dict(os.environ), Path.cwd()
    for name in [name for name in os.environ if name.startswith("SEALSTREAM_")]:
        del os.environ[name]
    os.chdir(tmp_path)
    try:
        yield tmp_path
    finally:
        os.chdir(directory)
        os.environ.clear()
        os.environ.update(before)


def test_without_anything_the_embedded_servers_are_meant() -> None:
    settings = load_settings()
    assert (settings.env, settings.dsn, settings.kafka_bootstrap, settings.data_dir) == (
        "development",
        None,
        None,
        None,
    )


def test_arguments_win_over_variables_and_variables_over_the_file(clean: Path) -> None:
    (clean / CONFIG_FILE).write_text('group = "file"\npartitions = 3\nreplication = 2\n')
    os.environ["SEALSTREAM_GROUP"] = "variable"
    os.environ["SEALSTREAM_PARTITIONS"] = "4"
    settings = load_settings(partitions=5)
    assert (settings.group, settings.partitions, settings.replication) == ("variable", 5, 2)


def test_lists_are_read_from_variables() -> None:
    os.environ["SEALSTREAM_TOPICS_IN"] = '["a", "b"]'
    assert load_settings().topics_in == ("a", "b")


def test_a_secret_may_come_from_a_file_and_is_never_shown(clean: Path) -> None:
    (clean / "url").write_text(f"{URL}\n")
    from_file = load_settings(database_url_file=clean / "url")
    given = load_settings(database_url=URL)
    assert from_file.dsn == given.dsn == URL
    for settings in (from_file, given):
        assert "gut-gehuetet" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_a_secret_s_file_that_is_missing_is_a_clear_error(clean: Path) -> None:
    with pytest.raises(ConfigurationError, match="SEALSTREAM_DATABASE_URL_FILE"):
        _ = load_settings(database_url_file=clean / "nothing").dsn


def test_settings_do_not_change() -> None:
    with pytest.raises(Exception, match="frozen"):
        load_settings().group = "other"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("partitions", "0"),
        ("partitions", "gut-gehuetet"),
        ("replication", "-1"),
        ("env", "gut-gehuetet"),
        ("budget_bytes", "1"),
        ("checkpoint_every", "gut-gehuetet"),
    ],
)
def test_a_wrong_value_is_named_and_not_repeated(name: str, value: str) -> None:
    os.environ[f"SEALSTREAM_{name.upper()}"] = value
    with pytest.raises(ConfigurationError, match=name) as caught:
        load_settings()
    assert "gut-gehuetet" not in str(caught.value)


def test_a_list_that_is_none_is_a_clear_error() -> None:
    os.environ["SEALSTREAM_TOPICS_IN"] = "gut-gehuetet"
    with pytest.raises(ConfigurationError, match="SEALSTREAM_") as caught:
        load_settings()
    assert "gut-gehuetet" not in str(caught.value)


def test_a_file_with_a_name_that_is_no_setting_is_refused(clean: Path) -> None:
    (clean / CONFIG_FILE).write_text('grupo = "gut-gehuetet"\n')
    with pytest.raises(ConfigurationError, match="grupo") as caught:
        load_settings()
    assert "gut-gehuetet" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_file_that_is_no_toml_is_a_clear_error(clean: Path, encoding: str) -> None:
    (clean / CONFIG_FILE).write_text('database_url = "gut-gehuetet\n', encoding)
    with pytest.raises(ConfigurationError, match=CONFIG_FILE) as caught:
        load_settings()
    assert "gut-gehuetet" not in str(caught.value)


@pytest.mark.parametrize(
    "given", [{}, {"database_url": URL}, {"kafka_bootstrap": "b:9092"}], ids=["none", "db", "broker"]
)
def test_production_needs_both_servers(given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="production needs"):
        load_settings(env="production", **given)
    both = load_settings(env="production", database_url=URL, kafka_bootstrap="b:9092", kafka_protocol="SASL_SSL")
    assert both.env == "production"


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SASL_PLAINTEXT"])
@pytest.mark.parametrize(
    ("bootstrap", "allowed", "fine"),
    [
        pytest.param("127.0.0.1:9092,[::1]:9092,localhost:9092", True, True, id="allowed on this machine"),
        pytest.param("127.0.0.1:9092", False, False, id="not allowed"),
        pytest.param("127.0.0.1:9092,broker:9092", True, False, id="one is elsewhere"),
    ],
)
def test_production_talks_to_brokers_in_the_clear_only_on_this_machine_and_when_told_to(
    protocol: str, bootstrap: str, allowed: bool, fine: bool
) -> None:
    given = {
        "env": "production",
        "database_url": URL,
        "kafka_bootstrap": bootstrap,
        "kafka_protocol": protocol,
        "kafka_plaintext_on_loopback": allowed,
    }
    if fine:
        assert load_settings(**given).kafka_protocol == protocol
    else:
        with pytest.raises(ConfigurationError, match="SEALSTREAM_KAFKA_PROTOCOL"):
            load_settings(**given)


def test_a_way_to_reach_brokers_is_refused_without_brokers() -> None:
    with pytest.raises(ConfigurationError, match="SEALSTREAM_KAFKA_BOOTSTRAP"):
        load_settings(kafka_protocol="SSL")


def test_the_settings_know_the_protocols_and_mechanisms_that_the_clients_know() -> None:
    assert set(get_args(settings_module.SecurityProtocol)) == set(SecurityProtocol)
    assert set(get_args(settings_module.SaslMechanism)) == set(SaslMechanism)


def test_a_file_is_named_whatever_directory_a_worker_runs_in() -> None:
    assert load_settings(kafka_bootstrap="b:1", kafka_ca_file="ca.pem").kafka_ca_file == Path.cwd() / "ca.pem"


def test_every_setting_has_a_description_or_a_name_that_says_it() -> None:
    described = {name for name, field in Settings.model_fields.items() if field.description}
    assert {"data_dir", "database_url", "kafka_bootstrap", "partitions"} <= described


W1 = "http://127.0.0.1:1 witness.test.example/w1+3b95fd82+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"


def test_witnesses_are_urls_with_keys() -> None:
    settings = load_settings(witnesses=(W1,), min_witnesses=1)
    assert [(url, key.name) for url, key in known_witnesses(settings)] == [
        ("http://127.0.0.1:1", "witness.test.example/w1")
    ]
    assert showing(settings) == Showing(1, ("witness.test.example/w1",))


@pytest.mark.parametrize(
    ("given", "what"),
    [
        pytest.param({"witnesses": ("",)}, "witnesses", id="empty"),
        pytest.param({"witnesses": ("http://127.0.0.1:1",)}, "URL of a witness, a space, and its vkey", id="no key"),
        pytest.param({"witnesses": (f"ftp{W1}",)}, "URL of a witness", id="no URL"),
        pytest.param({"witnesses": (W1,), "min_witnesses": 2}, "MIN_WITNESSES is more", id="too many wanted"),
        pytest.param({"timestamp_url": "tsa.example"}, "URL of a timestamp authority", id="no authority"),
        pytest.param({"timestamp_every": "PT0S"}, "timestamp_every", id="all the time"),
        pytest.param({"min_witnesses": -1}, "min_witnesses", id="negative"),
    ],
)
def test_what_is_no_attestor_is_refused(given: dict[str, object], what: str) -> None:
    with pytest.raises(ConfigurationError, match=what):
        load_settings(**given)


@pytest.mark.parametrize(
    ("witnesses", "what"),
    [
        pytest.param((W1, W1), "the same name", id="twice"),
        pytest.param((W1.replace("w1+", "w2+"),), "id", id="id of another"),
        pytest.param((f"http://127.0.0.1:1 {Signer('a', bytes(32)).verifier.vkey}",), "type 0x04", id="a log's key"),
    ],
)
def test_a_key_that_is_no_witness_s_is_refused(witnesses: tuple[str, ...], what: str) -> None:
    with pytest.raises(ConfigurationError, match=what):
        known_witnesses(load_settings(witnesses=witnesses))
