"""The command line as programs see it: exit codes, one line for an error, nothing secret, nothing heavy for help."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import typer.main
from cryptography.hazmat.primitives.serialization import Encoding

from agents.inference.engine import Engine
from sealstream.cli.app import app
from security.signing import Ed25519Signer
from streams.storage.certificates import RevocationListRow, insert_revocation_list
from tests.support.databases import Databases
from tests.support.forked_command import forked_command
from tests.support.installation import BANK_A, Installation, installed
from tests.support.jwks_server import jwks_server
from tests.support.messages import OWNER, PAYER, Inbox, entry, statement, transaction
from tests.support.pki import DAY, NOW, pem, revoked, root
from tests.support.pki import name as x509_name
from tests.support.processes import PATIENCE, SIGNALLED, environment, sealstream

# Typer itself loads pydantic for the arguments of a command.
HEAVY = ("aiokafka", "alembic", "asyncpg", "cryptography", "faust", "lxml", "nacl", "numpy", "onnxruntime",
         "pydantic_settings", "sqlalchemy", "structlog", "torch")  # fmt: skip
UNKNOWN = "00000000-0000-0000-0000-000000000001"
PASSWORD = "gut-gehuetetes-Geheimnis"


def commands() -> Iterator[list[str]]:
    """Every command and group, as words."""

    def below(words: list[str], command: object) -> Iterator[list[str]]:
        yield words
        for name, each in sorted(getattr(command, "commands", {}).items()):
            yield from below([*words, name], each)

    yield from below([], typer.main.get_command(app))


def test_every_command_explains_itself_without_loading_anything_heavy(tmp_path: Path) -> None:
    # One process for all of them: what none has loaded at the end, each does without.
    program = (
        "import contextlib, io, json, sys\n"
        "import typer.main\n"
        "from sealstream.cli import main\n"
        "from sealstream.cli.app import app\n"
        # Made once, and not a hundred times, which would take most of this test's time.
        "tree = typer.main.get_command(app)\n"
        "typer.main.get_command = lambda _: tree\n"
        "found = []\n"
        f"for words in {list(commands())!r}:\n"
        "    sys.argv, page, code = ['sealstream', *words, '--help'], io.StringIO(), None\n"
        "    try:\n"
        "        with contextlib.redirect_stdout(page):\n"
        "            main()\n"
        "    except SystemExit as end:\n"
        "        code = end.code\n"
        f"    loaded = [name for name in {('pydantic', *HEAVY)!r} if name in sys.modules]\n"
        "    found.append([words, code, page.getvalue()[:7], loaded])\n"
        "print(json.dumps(found))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment({}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.stderr == ""
    answers = json.loads(done.stdout)
    assert [words for words, *_ in answers] == list(commands())
    for words, code, page, loaded in answers:
        allowed = ["pydantic"] if words else []
        assert (code, page, [name for name in loaded if name not in allowed]) == (0, "Usage: ", []), words


def refused(*arguments: str, settings: dict[str, str], directory: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command that only says why it does not start: one that handles signals is forked."""
    run = forked_command if arguments[0] in SIGNALLED else sealstream
    return run(*arguments, settings=settings, directory=directory)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["nonsense"], id="an-unknown-command"),
        pytest.param(["--nonsense"], id="an-unknown-option"),
        pytest.param(["records", "show", "not-an-id"], id="not-an-id"),
        pytest.param(["records", "list", "--tier", "6"], id="a-tier-too-high"),
        pytest.param(["records", "list", "--limit", "0"], id="a-limit-too-low"),
        pytest.param(["dead-letters", "list", "--reason", "bad-luck"], id="an-unknown-reason"),
        pytest.param(["audit", "verify", "--tier", "0"], id="a-tier-too-low"),
        pytest.param(["run", "--workers", "0"], id="no-workers"),
        pytest.param(["worker", "--role", "nonsense"], id="an-unknown-role"),
        pytest.param(["keys", "generate", "k"], id="missing-options"),
        pytest.param(["produce"], id="missing-arguments"),
        pytest.param(
            ["produce", "x.csv", "--source", "s", "--key", "k", "--closing-list", "f"], id="list-without-closing"
        ),
        pytest.param(["produce", "x.csv", "--source", "s", "--key", "k", "--batch", "0"], id="an-empty-batch"),
        pytest.param(["produce", "x.csv", "--source", "s", "--key", "k", "--rate", "0"], id="no-rate"),
        pytest.param(["produce", "x.csv", "--source", "s", "--key", "k", "--rate", "nan"], id="a-rate-that-is-none"),
        pytest.param(["audit", "verify", "--held", "nothing"], id="a-folder-that-is-none"),
        pytest.param(["audit", "recover", "--checkpoint", "."], id="a-checkpoint-that-is-no-text"),
    ],
)
def test_misuse_is_told_on_stderr_with_exit_code_2(arguments: list[str], tmp_path: Path) -> None:
    done = refused(*arguments, settings={}, directory=tmp_path)
    assert done.returncode == 2
    assert "Usage: " in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def one_line(done: "subprocess.CompletedProcess[str]") -> str:
    """The only line on stderr of a command that failed."""
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert re.fullmatch(r"sealstream: [^\n]+\n", done.stderr), done.stderr
    assert PASSWORD not in done.stderr
    return done.stderr


AWAY = {
    "SEALSTREAM_DATABASE_URL": f"postgresql://u:{PASSWORD}@127.0.0.1:1/x",
    "SEALSTREAM_KAFKA_BOOTSTRAP": "127.0.0.1:1",
}
FAILS: dict[str, tuple[list[str], dict[str, str], str]] = {
    "no-database": (["records", "list"], {}, "no database"),
    "no-database-for-the-audit": (["audit", "verify"], {}, "no database"),
    "no-broker": (["produce", "sample:small", "--source", "s", "--key", "k"], {}, "no broker"),
    "database-away": (["records", "list"], AWAY, "SEALSTREAM_DATABASE_URL"),
    "database-away-for-the-audit": (["audit", "verify"], AWAY, "SEALSTREAM_DATABASE_URL"),
    "database-away-for-migrations": (["migrate"], AWAY, "database can't be reached"),
    "database-away-for-keys": (["keys", "list"], AWAY, "SEALSTREAM_DATABASE_URL"),
    "a-database-url-that-is-none": (
        ["records", "list"], {"SEALSTREAM_DATABASE_URL": f"mysql://u:{PASSWORD}@h/x"}, "SEALSTREAM_DATABASE_URL"
    ),
    "a-database-url-without-sense": (
        ["records", "list"], {"SEALSTREAM_DATABASE_URL": f"{PASSWORD}"}, "SEALSTREAM_DATABASE_URL"
    ),
    "a-database-port-that-is-none": (
        ["records", "list"], {"SEALSTREAM_DATABASE_URL": f"postgresql://u:{PASSWORD}@h:p/x"}, "SEALSTREAM_DATABASE_URL"
    ),
    "no-such-key": (["produce", "sample:small", "--source", "s", "--key", "k"], AWAY, "sealstream keys generate k"),
    "no-such-feed": (["run", "--feed", "sample:nonsense"], {}, "there is no sample"),
    "no-such-file": (["run", "--feed", "nothing.csv"], {}, "there is no feed"),
    "a-setting-that-is-wrong": (["records", "list"], {"SEALSTREAM_PARTITIONS": PASSWORD}, "partitions"),
    "a-setting-that-is-out-of-range": (["doctor"], {"SEALSTREAM_PARTITIONS": "0"}, "partitions"),
    "production-without-servers": (["run"], {"SEALSTREAM_ENV": "production"}, "production needs"),
    "production-with-plain-files-for-keys": (
        ["records", "list"],
        AWAY | {"SEALSTREAM_ENV": "production", "SEALSTREAM_KAFKA_PROTOCOL": "SSL"},
        "file keyring is refused",
    ),
    "an-import-without-a-file": (
        ["keys", "import", "k", "nothing.jwk", "--tenant", "t", "--domain", "d", "--source", "s"], AWAY, "can't read"
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "settings", "says"), [pytest.param(*case, id=name) for name, case in FAILS.items()]
)
def test_a_failure_is_one_line_without_secrets_and_exit_code_1(
    arguments: list[str], settings: dict[str, str], says: str, tmp_path: Path
) -> None:
    isolated = {"SEALSTREAM_DATA_DIR": str(tmp_path / "data")} | settings
    assert says in one_line(refused(*arguments, settings=isolated, directory=tmp_path))


@pytest.fixture(scope="module")
async def filled(
    databases: Databases, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """A platform with a few records, as `sealstream up` would have left it."""
    async with (
        databases.fresh() as dsn,
        installed(dsn, tmp_path_factory.mktemp("cli") / "keys", engine=engine) as platform,
    ):
        worker = await platform.worker()
        inbox = Inbox()
        BANK_A.put(inbox, transaction("a"), statement("s", [entry("R1")]), transaction("bad", amount="-1"))
        await worker.commit(inbox.take())
        await platform.sequence()
        yield platform


def settings_of(platform: Installation) -> dict[str, str]:
    return {
        "SEALSTREAM_DATABASE_URL": platform.dsn,
        "SEALSTREAM_KEYRING_DIR": str(platform.keyring_dir),
        "SEALSTREAM_DATA_DIR": str(platform.keyring_dir.parent),
    }


def objects(done: "subprocess.CompletedProcess[str]") -> list[dict[str, object]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    "command",
    [["records", "list"], ["dead-letters", "list"], ["keys", "list"], ["models", "list"], ["reviews", "list"],
     ["access", "people"], ["audit", "checkpoint"]],
    ids=lambda words: words[0],
)  # fmt: skip
def test_the_program_starts_and_has_everything_a_command_needs(
    filled: Installation, tmp_path: Path, command: list[str]
) -> None:
    """The other tests of commands run them in the tests' process, where much is loaded already."""
    here, started = (
        sealstream(*command, settings=settings_of(filled), directory=tmp_path, own_process=own) for own in (False, True)
    )
    assert (started.returncode, started.stdout, started.stderr) == (here.returncode, here.stdout, here.stderr)
    assert started.returncode == 0, started.stderr


def test_records_are_listed_at_a_tier_one_object_a_line(filled: Installation, tmp_path: Path) -> None:
    low = objects(sealstream("records", "list", "--json", settings=settings_of(filled), directory=tmp_path))
    high = objects(
        sealstream("records", "list", "--tier", "3", "--json", settings=settings_of(filled), directory=tmp_path)
    )
    assert [each["record"] for each in low] == [each["record"] for each in high]
    assert {text for each in low for text in each["fields"].values()} == {"<sealed>"}  # type: ignore[attr-defined]
    assert {each["fields"]["account"] for each in high} == {OWNER.iban}  # type: ignore[index]
    one = str(high[0]["record"])
    (shown,) = objects(
        sealstream("records", "show", one, "--tier", "3", "--json", settings=settings_of(filled), directory=tmp_path)
    )
    assert shown == high[0]


def test_a_search_finds_and_says_by_its_exit_code_when_it_does_not(filled: Installation, tmp_path: Path) -> None:
    found = sealstream(
        "records",
        "search",
        "counterparty_name",
        PAYER.name.upper(),
        "--json",
        settings=settings_of(filled),
        directory=tmp_path,
    )
    assert len(objects(found)) == 2
    none = sealstream(
        "records", "search", "counterparty_name", "Nobody", settings=settings_of(filled), directory=tmp_path
    )
    assert (none.returncode, none.stdout) == (1, "")
    refused = sealstream("records", "search", "amount", "1", settings=settings_of(filled), directory=tmp_path)
    assert "not searchable" in one_line(refused)


@pytest.mark.parametrize(
    "command", [["records", "show", UNKNOWN], ["dead-letters", "show", UNKNOWN]], ids=lambda words: words[0]
)
def test_an_unknown_id_is_exit_code_1(filled: Installation, tmp_path: Path, command: list[str]) -> None:
    done = sealstream(*command, settings=settings_of(filled), directory=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert UNKNOWN in done.stderr


def test_dead_letters_are_listed_and_shown_at_tier_4(filled: Installation, tmp_path: Path) -> None:
    (letter,) = objects(sealstream("dead-letters", "list", "--json", settings=settings_of(filled), directory=tmp_path))
    assert letter["reason"] == "schema_violation"
    name = str(letter["dead_letter"])
    for tier, shown in (("3", "<sealed>"), ("4", '"amount":"-1"')):
        (view,) = objects(
            sealstream(
                "dead-letters", "show", name, "--tier", tier, "--json", settings=settings_of(filled), directory=tmp_path
            )
        )
        assert shown in str(view["value"])


async def test_the_audit_says_ok_and_exits_1_when_something_is_off(
    filled: Installation, databases: Databases, tmp_path: Path
) -> None:
    await filled.sequence()
    done = sealstream("audit", "verify", "--json", settings=settings_of(filled), directory=tmp_path)
    assert objects(done)[-1]["verification"] == "ok"
    assert {each["deferred_waiting"] for each in objects(done) if "root" in each} == {0}
    notes = objects(sealstream("audit", "checkpoint", "--json", settings=settings_of(filled), directory=tmp_path))
    assert {str(note["note"]).splitlines()[0] for note in notes} >= {filled.identity.origin("bank-a")}
    await filled.execute("UPDATE results SET outcome = 'pending' WHERE n IS NULL")
    try:
        done = sealstream("audit", "verify", settings=settings_of(filled), directory=tmp_path)
    finally:
        await filled.execute("UPDATE results SET outcome = 'booked' WHERE n IS NULL")
    assert done.returncode == 1
    assert "WRONG log" in done.stdout
    assert "Traceback" not in done.stderr


def test_keys_are_made_listed_and_revoked(filled: Installation, tmp_path: Path) -> None:
    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return sealstream("keys", *words, settings=settings_of(filled), directory=tmp_path)

    binding = ("--tenant", "bank-c", "--domain", "d", "--source", "urn:c:*")
    assert run("generate", "new", *binding).returncode == 0
    assert "new" in one_line(run("generate", "new", *binding))
    (found,) = [each for each in objects(run("list", "--json")) if each["key"] == "new"]
    assert (found["tenant"], found["sources"], found["state"]) == ("bank-c", ["urn:c:*"], "registered")
    assert run("revoke", "new").returncode == 0
    (found,) = [each for each in objects(run("list", "--json")) if each["key"] == "new"]
    assert found["state"] == "revoked"
    assert "no key named" in one_line(run("revoke", "nobody"))


def test_a_key_is_registered_by_the_attempt_after_one_that_failed(filled: Installation, tmp_path: Path) -> None:
    def generate(domain: str) -> "subprocess.CompletedProcess[str]":
        words = ("again", "--tenant", "bank-d", "--domain", domain, "--source", "urn:d:*")
        return sealstream("keys", "generate", *words, settings=settings_of(filled), directory=tmp_path)

    assert "domain" in one_line(generate("No Domain"))
    assert generate("d").returncode == 0


def test_files_that_cant_be_written_are_one_line(filled: Installation, tmp_path: Path) -> None:
    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return sealstream(*words, settings=settings_of(filled), directory=tmp_path)

    (record, *_) = objects(run("records", "list", "--json"))
    assert "nowhere/r: No such file" in one_line(run("receipt", "show", str(record["record"]), "--out", "nowhere/r"))
    (tmp_path / "file").touch()
    assert "Not a directory" in one_line(run("audit", "export", "file"))


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "sealstream", "--help"],
            env=environment({}),
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    assert (done.returncode, done.stderr) == (1, "sealstream: No space left on device\n")


def test_a_command_with_workers_starts_with_its_input_closed(tmp_path: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -m sealstream worker --role relay <&-', sys.executable],
        env=environment({"SEALSTREAM_DATA_DIR": str(tmp_path), "SEALSTREAM_LOG_LEVEL": "error"}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert "no database" in one_line(done)


def test_objects_stay_json_where_the_locale_has_not_the_characters(tmp_path: Path) -> None:
    settings = {"SEALSTREAM_DATA_DIR": str(tmp_path / "数据-é-😀"), "PYTHONIOENCODING": "ascii"}
    done = sealstream("doctor", "--json", settings=settings, directory=tmp_path, own_process=True)
    assert done.returncode == 1  # nothing answers
    assert any("数据-é-😀" in str(json.loads(line)["what"]) for line in done.stdout.splitlines()), done.stderr


def test_a_receipt_goes_on_one_line(filled: Installation, tmp_path: Path) -> None:
    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return sealstream(*words, settings=settings_of(filled), directory=tmp_path)

    (record, *_) = objects(run("records", "list", "--json"))
    (receipt,) = objects(run("receipt", "show", str(record["record"]), "--json"))
    (tmp_path / "receipt").write_text(json.dumps(receipt))
    (own,) = [each for each in objects(run("audit", "checkpoint", "--json")) if each["origin"] == receipt["origin"]]
    assert run("receipt", "verify", "receipt", "--vkey", str(own["vkey"])).returncode == 0


def test_keys_of_a_set_are_imported_by_their_names_rotated_and_revoked_from_a_moment_on(
    filled: Installation, tmp_path: Path
) -> None:
    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return sealstream("keys", *words, settings=settings_of(filled), directory=tmp_path)

    def listed() -> dict[str, dict[str, object]]:
        return {str(each["key"]): each for each in objects(run("list", "--json"))}

    signers = [Ed25519Signer(name, name.encode().ljust(32, b".")) for name in ("set-1", "set-2")]
    (tmp_path / "set.json").write_text(json.dumps({"keys": [signer.jwk.to_members() for signer in signers]}))
    binding = ("--tenant", "bank-d", "--domain", "d", "--source", "urn:d", "--actor", "officer@example.org")
    window = ("--not-before", "2026-01-01", "--not-after", "2036-01-01T00:00:00+01:00")
    assert "leave out the name" in one_line(run("import", "one", "set.json", *binding))
    assert run("import", "set.json", *binding, *window).returncode == 0
    found = listed()
    assert {found[name]["not_after"] for name in ("set-1", "set-2")} == {"2035-12-31T23:00:00Z"}
    assert run("rotate", "set-1", "set-3", "--overlap-hours", "1").returncode == 0
    assert run("revoke", "set-2", "--from", "2026-02-01T00:00:00Z", "--actor", "officer@example.org").returncode == 0
    assert "already" in one_line(run("revoke", "set-2"))
    assert run("revoke", "set-2", "--from", "yesterday").returncode == 2
    found = listed()
    assert [found[name]["state"] for name in ("set-1", "set-2", "set-3")] == ["registered", "revoked", "registered"]
    done = run("affected", "set-2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "is not revoked" in one_line(run("affected", "set-1"))
    assert run("confirm").returncode == 2
    assert run("confirm", "set-1", "set-3").returncode == 0


@pytest.mark.parametrize("kind", ["p256", "sm2"])
def test_a_chain_is_imported_with_its_lists_and_a_newer_list_revokes(
    filled: Installation, tmp_path: Path, kind: str
) -> None:
    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return sealstream("keys", *words, settings=settings_of(filled), directory=tmp_path)

    authority = root(kind=kind)
    leaf = authority.issue(x509_name("payments"), kind=kind)
    listed = authority.crl([revoked(leaf.serial, NOW - DAY)], number=2, this_update=NOW)
    for file, content in (
        ("chain.pem", leaf.pem),
        ("anchor.pem", pem([authority.certificate])),
        ("other.pem", pem([root("Another Root").certificate])),
        ("first.crl", authority.crl().public_bytes(Encoding.PEM)),
        ("second.crl", listed.public_bytes(Encoding.DER)),
    ):
        (tmp_path / file).write_bytes(content)
    binding = ("--tenant", "bank-e", "--domain", "d", "--source", "urn:e")
    imported = ("import", f"certified-{kind}", "chain.pem", *binding, "--trust-anchor")
    refused = one_line(run(*imported, "other.pem", "--crl", "first.crl"))
    assert f"certificate 1 (serial {leaf.serial:X}): its issuer is none of the trust anchors" in refused
    assert run("import", f"certified-{kind}", "chain.pem", *binding, "--crl", "first.crl").returncode == 2
    assert "no X.509 CRL" in one_line(run(*imported, "anchor.pem", "--crl", "chain.pem"))
    done = run(*imported, "anchor.pem", "--crl", "first.crl")
    assert (done.returncode, done.stderr) == (0, "")
    done = run("crl", "second.crl", "--actor", "pki@example.org")
    assert done.stdout.startswith(f"certified-{kind} revoked from {NOW - DAY:%Y-%m-%dT%H:%M:%S}.000000Z on")
    assert "older than the one held" in one_line(run("crl", "first.crl"))


async def test_a_set_is_subscribed_to_once_it_answers_and_the_doctor_knows_it(
    filled: Installation, tmp_path: Path
) -> None:
    async def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return await asyncio.to_thread(sealstream, *words, settings=settings_of(filled), directory=tmp_path)

    signer = Ed25519Signer("followed", b"f" * 32)
    async with jwks_server(tmp_path) as server:
        (tmp_path / "ca.pem").write_text(server.ca)
        binding = ("--tenant", "bank-f", "--domain", "d", "--source", "urn:f", "--ca", "ca.pem")
        assert 'a list "keys"' in one_line(await run("keys", "subscribe", server.url, *binding))
        server.gives(json.dumps({"keys": [signer.jwk.to_members()]}).encode())
        other = ("--pin", "sha256/" + "A" * 43 + "=")
        assert "none of the pinned" in one_line(await run("keys", "subscribe", server.url, *binding, *other))
        assert (await run("keys", "subscribe", server.url, *binding, "--pin", server.pin)).returncode == 0
        done = await run("doctor", "--json")
        checks = {each["check"]: each for each in map(json.loads, done.stdout.splitlines())}
        assert checks[f"subscription {server.url}"]["ok"] is True
        assert (await run("keys", "unsubscribe", server.url)).returncode == 0
        assert "no subscription" in one_line(await run("keys", "unsubscribe", server.url))


async def test_the_doctor_says_when_a_revocation_list_is_out_of_date(filled: Installation, tmp_path: Path) -> None:
    row = {"this_update": NOW - 2 * DAY, "next_update": NOW - DAY, "der": b""}
    async with filled.database.session() as connection:
        for scope, issuer, more in ((b"old", "CN=Old", {}), (b"new", "CN=New", {"next_update": NOW + DAY})):
            each = RevocationListRow(scope=scope, issuer=issuer, **{**row, "der": scope, **more})  # type: ignore[arg-type]
            await insert_revocation_list(connection, each)
    done = sealstream("doctor", "--json", settings=settings_of(filled), directory=tmp_path)
    checks = {each["check"]: each for each in map(json.loads, done.stdout.splitlines())}
    assert checks["crl CN=New"]["ok"] is True
    assert checks["crl CN=Old"]["ok"] is False
    assert "out of date" in checks["crl CN=Old"]["what"]


def test_the_doctor_masks_secrets_and_exits_1_when_something_does_not_answer(
    filled: Installation, tmp_path: Path
) -> None:
    settings = settings_of(filled) | {"SEALSTREAM_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    done = sealstream("doctor", "--json", settings=settings, directory=tmp_path)
    assert done.returncode == 1
    checks = {each["check"]: each for each in map(json.loads, done.stdout.splitlines())}
    assert checks["database"]["ok"] is True
    assert checks["api role"]["what"].startswith("this login can be sealstream_api; the API in production has one")
    assert checks["broker"]["ok"] is False
    assert checks["keyring"]["ok"] is True
    assert filled.dsn.split(":")[2].split("@")[0] not in done.stdout + done.stderr
