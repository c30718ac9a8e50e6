"""Who asks a key release: it sees for itself, and counts what it opens by requests for access."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from agents.access.look_log import WrittenLook
from agents.access.registrar import AccessRegistrar
from agents.access.sessions import Sessions
from agents.release import Refusal, ReleaseRefused
from sealstream.release.messages import Asked, AskRecords
from sealstream.release.wire import framed, read_asked, read_frame
from security.access.look_record import LookRecord
from security.access.presented import Means, Presented
from security.access.principal import Action, NotAuthenticated
from streams.storage.projects import ProjectRow, insert_project
from tests.support.approving import OFFICIAL, TAX_OFFICIAL
from tests.support.asking_process import AskingProcess, asking_process, authenticator, by_key


@pytest.fixture
async def asker(dsn: str, keyring_dir: Path) -> AsyncIterator[AskingProcess]:
    async with asking_process(dsn, keyring_dir) as found:
        yield found


def registrar(asker: AskingProcess) -> AccessRegistrar:
    platform = asker.bureaus.platform
    return AccessRegistrar(platform.database, platform.identity, actor="admin@example.org")


async def test_a_look_opens_for_its_own_person_alone(asker: AskingProcess) -> None:
    look, record, log_id = await asker.look()
    another = await by_key(asker.bureaus, TAX_OFFICIAL)
    assert await asker.refused(replace(look, proof=None)) is Refusal.NOT_AUTHENTICATED
    assert await asker.refused(replace(look, proof=another.proof)) is Refusal.NOT_THEIRS
    forged = Presented(Means.API_KEY, f"sk_{asker.reader.credential}_{'x' * 43}")
    assert await asker.refused(replace(look, proof=forged)) is Refusal.NOT_AUTHENTICATED
    # Somebody's own credential does not open a look that they never took.
    theirs = await asker.forged(log_id, record)
    assert await asker.refused(replace(theirs, proof=another.proof)) is Refusal.NOT_THEIRS
    for means in (Means.TOKEN, Means.SESSION):
        assert await asker.refused(replace(look, proof=Presented(means, "x"))) is Refusal.NOT_AUTHENTICATED
    assert await asker.records(look)


async def test_a_credential_that_is_good_for_less_opens_no_look_by_another(asker: AskingProcess) -> None:
    look, _, _ = await asker.look()
    text, _ = await registrar(asker).add_key(
        OFFICIAL.person, tier=1, actions=[Action.READ], projects=None, lifetime=dt.timedelta(days=1)
    )
    assert await asker.refused(replace(look, proof=Presented(Means.API_KEY, text))) is Refusal.DECIDED_OTHERWISE
    platform = asker.bureaus.platform
    async with platform.database.session() as connection:
        await insert_project(connection, ProjectRow("here", "registry", "casework"))
        await insert_project(connection, ProjectRow("elsewhere", "registry", "statistics"))
    for project, reason in (("elsewhere", Refusal.NOT_THEIRS), ("none", Refusal.NOT_THEIRS), ("here", None)):
        bound = await by_key(asker.bureaus, OFFICIAL, projects=[project])
        # The API has seen to the project, and asks without; a broken-into one asks likewise.
        asking = replace(asker, reader=replace(bound, projects=None))
        look, _, _ = await asking.look()
        if reason is None:
            assert await asking.records(look)
        else:
            assert await asking.refused(look) is reason


async def test_a_revoked_key_and_an_ended_login_open_nothing_more(asker: AskingProcess) -> None:
    look, _, _ = await asker.look()
    platform, now = asker.bureaus.platform, dt.datetime.now(dt.UTC)
    authenticates = authenticator(asker.bureaus)
    opened = await Sessions(platform.database, platform.identity, authenticates).open_session(
        asker.reader.proof or Presented(Means.API_KEY, ""), now
    )
    session = replace(look, proof=Presented(Means.SESSION, opened.text))
    assert await asker.records(session)
    with pytest.raises(NotAuthenticated):  # a login is no credential to log in with
        await Sessions(platform.database, platform.identity, authenticates).open_session(
            Presented(Means.SESSION, opened.text), now
        )
    await registrar(asker).revoke_key(asker.reader.credential)
    assert await asker.refused(look) is Refusal.NOT_AUTHENTICATED
    assert await asker.refused(session) is Refusal.NOT_AUTHENTICATED


async def test_looks_of_several_people_in_one_commit_open_each_for_its_own(asker: AskingProcess) -> None:
    _, record, log_id = await asker.look()
    another = await by_key(asker.bureaus, TAX_OFFICIAL)
    (decision,) = record.decisions
    theirs = msgspec.structs.replace(
        record,
        person=TAX_OFFICIAL.person,
        decisions=(msgspec.structs.replace(decision, person=TAX_OFFICIAL.person),),
    )
    one, two = await asyncio.gather(asker.forged(log_id, record), asker.forged(log_id, theirs))
    assert await asker.records(one)
    assert await asker.refused(two) is Refusal.NOT_THEIRS
    assert await asker.refused(replace(one, proof=another.proof)) is Refusal.NOT_THEIRS


async def test_blind_terms_are_made_for_people_alone(asker: AskingProcess) -> None:
    for proof in (None, Presented(Means.API_KEY, "sk_x")):
        with pytest.raises(ReleaseRefused, match="not_authenticated"):
            await asker.releaser.terms(proof, "id_number", "1", [])
    assert await asker.releaser.terms(asker.reader.proof, "no-such-field", "1", []) is None


async def test_a_quota_is_counted_here_whatever_the_asking_process_counts(asker: AskingProcess) -> None:
    platform = asker.bureaus.platform
    look, record, log_id = await asker.look()
    used = await platform.one("SELECT used FROM access_requests")
    quota = asker.signing.request.quota
    assert await asker.records(look)
    assert await asker.records(look)  # once more is no more
    opened = "SELECT count(*) FROM released_uses"
    assert await platform.one(opened) == 1
    for number in range(quota - 1):
        # Looks that are forged count in nobody's quota but here.
        again = await asker.forged(log_id, _again(record, number))
        assert await asker.records(again)
    assert await platform.one("SELECT used FROM access_requests") == used
    more = await asker.forged(log_id, _again(record, quota))
    assert await asker.refused(more) is Refusal.QUOTA_SPENT
    assert await platform.one(opened) == quota
    assert await asker.records(look)  # what was opened stays so


async def test_what_is_read_by_no_request_that_the_look_names_is_not_opened(asker: AskingProcess) -> None:
    _, record, log_id = await asker.look()
    for grants in ((), (("0" * 64, 1),)):
        look = await asker.forged(log_id, msgspec.structs.replace(record, grants=grants))
        assert await asker.refused(look) is Refusal.DECIDED_OTHERWISE
    assert await asker.bureaus.platform.one("SELECT count(*) FROM released_uses") == 0


async def test_a_credential_goes_over_the_socket_and_into_no_text(asker: AskingProcess) -> None:
    look, _, _ = await asker.look()
    secret = asker.reader.proof.text if asker.reader.proof is not None else ""
    assert secret
    reader = asyncio.StreamReader()
    reader.feed_data(framed(Asked(1, AskRecords(look, asker.names[:1]))))
    body = await read_frame(reader, 1 << 20)
    asked = read_asked(body or b"")
    assert isinstance(asked.what, AskRecords)
    assert asked.what.look.proof == look.proof
    with capture_logs() as logs, pytest.raises(ReleaseRefused) as refused:
        await asker.releaser.records(asker.worker.worker_id, WrittenLook(1, {}, look.proof), asker.names[:1])
    for text in (repr(look), repr(asked), repr(asker.reader), repr(refused.value), str(logs), f"{look.proof}"):
        assert secret not in text


def _again(record: LookRecord, number: int) -> LookRecord:
    return msgspec.structs.replace(record, asked=f"show {number}")
