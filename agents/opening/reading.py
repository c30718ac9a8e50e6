"""Reading records and dead letters at a tier, and logging every look.

Each response is one leaf in each log it touches, durable before any plaintext is handed out.
"""

import getpass
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from agents.access.look_log import LookKind, LookLog, NewLook
from agents.commits.leaves import LogRef
from agents.intake.door import unpack_evidence
from agents.intake.sealing_stage import SALT_BYTES
from agents.opening.search_terms import search_terms
from agents.platform.data_keys import DataKeyCache
from agents.platform.identity import Identity
from agents.platform.knowledge import Knowledge
from schemas.errors import ConfigurationError
from schemas.reasons import Reason
from security.commit_signature import WorkerKey
from security.field_binding import EVIDENCE_FIELD
from security.key_provider import MAX_TIER
from security.opening import FieldOpener, OpenedField
from streams.storage import reading
from streams.storage.database import Connection, Database
from streams.storage.index_keys import IndexRotation, list_rotations
from streams.storage.reading import Cursor, StoredDeadLetter, StoredMessage, StoredResult
from streams.storage.reviews import StoredReview, find_reviews, open_reviews


@dataclass(frozen=True, slots=True)
class ReviewView:
    """A person's decision about a record, as the reader may see it.

    Attributes:
        fields: The label and the reason; none once erased.
    """

    stored: StoredReview
    fields: Mapping[str, OpenedField]


@dataclass(frozen=True, slots=True)
class RecordView:
    """A record as the reader may see it: fields above the tier are there, sealed.

    Attributes:
        reviews: What people decided about it, in order; the last one counts.
    """

    stored: StoredResult
    fields: Mapping[str, OpenedField]
    reviews: Sequence[ReviewView] = ()


@dataclass(frozen=True, slots=True)
class DeadLetterView:
    """A dead letter, with the message as received where the tier allows it.

    Attributes:
        state: `open`, `sealed` above the tier, or `erased`.
        key: The Kafka key as text; bytes that are no text are shown escaped, here and below.
        headers: The envelope: name and text of each header, in order.
        value: The payload as text, likewise.
    """

    stored: StoredDeadLetter
    state: str
    key: str | None = None
    headers: Sequence[tuple[str, str]] | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What a reader may have of a record, or of a message that holds several, to hand it on.

    Attributes:
        stored: The row whose leaf speaks of it.
        item: The record's place in its message; None where it is the message.
        fields: As `RecordView`; none of a message.
        message: The evidence of its message, where it was asked for and is kept.
        accepted: Commit and ordinal of the message's leaf, where the record was deferred: an earlier one than its own.
    """

    stored: StoredResult | StoredMessage
    item: int | None
    fields: Mapping[str, OpenedField]
    message: OpenedField | None
    accepted: tuple[int, int] | None = None


class Reader:
    """Reads at one tier, as one actor.

    Args:
        knowledge: With tier keys up to the tier, and of the reader's domains, only.
        worker: Signs the read leaves; its certificate must be registered.
        actor: Who looks; goes into the log as a pseudonym that only the platform can make.
    """

    def __init__(
        self,
        database: Database,
        identity: Identity,
        knowledge: Knowledge,
        worker: WorkerKey,
        *,
        tier: int,
        actor: str | None = None,
    ) -> None:
        self._database = database
        self._identity = identity
        self._knowledge = knowledge
        self._tier = tier
        self._actor = actor or getpass.getuser()
        self._logs: dict[int, LogRef] = {owner.log.log_id: owner.log for owner in knowledge.owners.values()}
        self._looks = LookLog(database, identity, knowledge, worker)

    async def list(
        self, *, tenant: str | None = None, limit: int = 20, after: Cursor | None = None
    ) -> Sequence[RecordView]:
        """The newest records, or those after a place in that order."""
        async with self._database.session() as connection:
            stored = await reading.list_results(connection, tenant=tenant, limit=limit, after=after)
        return await self._show(stored, "read")

    async def show(self, record_id: UUID) -> Sequence[RecordView]:
        """The record of that id, or the records of the message of that id; empty when there is none."""
        async with self._database.session() as connection:
            stored = await reading.find_results(connection, [record_id])
        return await self._show(stored, "read")

    async def to_review(self, *, tenant: str | None = None, limit: int = 20) -> Sequence[RecordView]:
        """Records that a model left to a person and nobody has decided yet, the oldest first."""
        async with self._database.session() as connection:
            stored = await open_reviews(connection, tenant=tenant, limit=limit)
        return await self._show(stored, "read")

    async def disclose(self, name: UUID, *, evidence: bool) -> Disclosure | None:
        """One record, or one message that holds several, and the message as received if asked for; None without one."""
        return (await self.disclose_all([name], evidence=evidence, kind="read")).get(name)

    async def disclose_all(self, names: Sequence[UUID], *, evidence: bool, kind: LookKind) -> dict[UUID, Disclosure]:
        """What there is of these names, by name; one look for all that one log has of them."""
        async with self._database.session() as connection:
            found = {name: each for name in names if (each := await self._stored(connection, name, evidence))}
            data_keys = DataKeyCache()
            await data_keys.load(
                connection, {row.pass_id for pair in found.values() for row in pair if row is not None}
            )
        shown: dict[int, list[UUID]] = {}
        for name, (record, message) in found.items():
            stored = record or message
            if stored is not None:
                shown.setdefault(stored.log_id, []).append(name)
        if shown:
            await self.log_look(kind, shown)
        opener = FieldOpener(self._knowledge.tier_keys, data_keys.get, self._tier)
        return {
            name: disclosure
            for name, (record, message) in found.items()
            if (disclosure := _disclosed(opener, record, message, evidence))
        }

    async def _stored(
        self, connection: Connection, name: UUID, evidence: bool
    ) -> tuple[StoredResult | None, StoredMessage | None] | None:
        """The rows of a record, or of a message, that the reader's domains cover."""
        found = await stored_of(connection, name, evidence)
        stored = found and (found[0] or found[1])
        if not stored or not self._knowledge.tier_keys.covers_domain(stored.tenant, stored.domain):
            return None
        return found

    async def search(self, field: str, value: str, *, limit: int = 20) -> Sequence[RecordView]:
        """Records whose searchable field has exactly this value, after normalisation.

        Raises:
            ConfigurationError: The field is not searchable for any tenant.
        """
        async with self._database.session() as connection, reading.one_view(connection):
            # The versions and the terms as of one moment: a rotation of index keys may be under way.
            tokens = self._tokens(field, value, await list_rotations(connection))
            stored = await reading.search_results(connection, field, tokens, limit)
        return await self._show(stored, "search")

    def _tokens(self, field: str, value: str, rotations: Sequence[IndexRotation]) -> Sequence[tuple[int, bytes]]:
        """The blind terms of a value, by log."""
        tokens = search_terms(self._identity, self._knowledge, self._logs.values(), field, value, rotations)
        if tokens is None:
            raise ConfigurationError(f"field {field!r} is not searchable; the catalogue says which are")
        return tokens

    async def dead_letters(self, *, reason: Reason | None = None, limit: int = 20) -> Sequence[StoredDeadLetter]:
        """Dead letters without their content: what and where, no field of any record."""
        async with self._database.session() as connection:
            return await reading.list_dead_letters(connection, reason=reason, limit=limit)

    async def show_dead_letter(self, name: UUID) -> DeadLetterView | None:
        """One dead letter, with the message as received where the tier allows it."""
        async with self._database.session() as connection:
            found = await reading.list_dead_letters(connection, reason=None, limit=1, name=name)
            if not found:
                return None
            letter = found[0]
            data_keys = DataKeyCache()
            await data_keys.load(connection, [letter.pass_id])
        if letter.evidence is None:
            return DeadLetterView(letter, "erased")
        if not self._knowledge.tier_keys.covers_domain(letter.tenant, letter.domain):
            return DeadLetterView(letter, "sealed")
        await self.log_look("read", {letter.log_id: [letter.message_id]})
        opener = FieldOpener(self._knowledge.tier_keys, data_keys.get, self._tier)
        return letter_view(letter, letter_evidence(opener, letter))

    async def _show(self, stored: Sequence[StoredResult], kind: LookKind) -> Sequence[RecordView]:
        """Log the look, wait until that is durable, and only then open anything.

        Records of domains that the knowledge has no keys for are left out: nothing of them is shown.
        """
        stored = [row for row in stored if self._knowledge.tier_keys.covers_domain(row.tenant, row.domain)]
        shown: dict[int, list[UUID]] = {}
        for row in stored:
            shown.setdefault(row.log_id, []).append(row.record_id)
        await self.log_look(kind, shown or {self._knowledge.platform.log.log_id: []})
        data_keys = DataKeyCache()
        async with self._database.session() as connection:
            decided = await find_reviews(connection, [row.record_id for row in stored])
            await data_keys.load(connection, [*(row.pass_id for row in stored), *(row.pass_id for row in decided)])
            names = await reading.field_names(connection, [row for row in stored if row.sealed is None])
        opener = FieldOpener(self._knowledge.tier_keys, data_keys.get, self._tier)

        def opened(row: StoredResult | StoredReview) -> Mapping[str, OpenedField]:
            if row.sealed is None:
                return _erased(names.get(row.record_id, ())) if isinstance(row, StoredResult) else {}
            return opener.open_record(row.tenant, row.domain, row.record_id.bytes, row.pass_id, row.sealed)

        reviews: dict[UUID, list[ReviewView]] = {}
        for each in decided:
            reviews.setdefault(each.record_id, []).append(ReviewView(each, opened(each)))
        return [RecordView(row, opened(row), reviews.get(row.record_id, ())) for row in stored]

    async def log_look(self, kind: LookKind, shown: Mapping[int, Sequence[UUID]]) -> None:
        """Write down which ids a response shows, by log; returns when that is durable."""
        await self._looks.write(NewLook(kind, self._actor, f"tier:{self._tier}", shown))


async def stored_of(
    connection: Connection, name: UUID, evidence: bool
) -> tuple[StoredResult | None, StoredMessage | None] | None:
    """The rows of a record, with its message's if that is asked for; or of a message that holds several."""
    records = await reading.find_results(connection, [name])
    record = next((row for row in records if row.record_id == name), None)
    message = None
    if record is None:
        message = await reading.find_message(connection, name)
    elif evidence:
        commit_id = await reading.accepting_commit(connection, record)
        message = await reading.find_message(connection, record.message_id, commit_id)
    return None if record is None and message is None else (record, message)


def letter_evidence(opener: FieldOpener, letter: StoredDeadLetter) -> OpenedField:
    """The evidence of a dead letter, as far as an opener opens it."""
    if letter.evidence is None:
        return OpenedField(MAX_TIER, "erased")
    opened = opener.open_record(letter.tenant, letter.domain, letter.message_id.bytes, letter.pass_id, letter.evidence)
    return opened[EVIDENCE_FIELD]


def letter_view(letter: StoredDeadLetter, evidence: OpenedField) -> DeadLetterView:
    """A dead letter with its evidence, as far as that is open."""
    if evidence.value is None:
        return DeadLetterView(letter, evidence.state)
    message = unpack_evidence(evidence.value[SALT_BYTES:])
    headers = [(name, _shown(value)) for name, value in message.headers]
    key = _shown(message.key) if message.key is not None else None
    return DeadLetterView(letter, evidence.state, key, headers, _shown(message.value))


def _disclosed(
    opener: FieldOpener, record: StoredResult | None, message: StoredMessage | None, evidence: bool
) -> Disclosure | None:
    stored = record or message
    if stored is None:
        return None
    fields, received = {}, None
    if record is not None and record.sealed is not None:
        fields = opener.open_record(record.tenant, record.domain, record.record_id.bytes, record.pass_id, record.sealed)
    if evidence and message is not None and message.evidence is not None:
        received = opener.open_record(
            message.tenant, message.domain, message.message_id.bytes, message.pass_id, message.evidence
        )[EVIDENCE_FIELD]
    accepted = None
    if record is not None and message is not None and message.commit_id != record.commit_id:
        accepted = message.commit_id, message.leaf
    return Disclosure(stored, record.n if record is not None else None, fields, received, accepted)


def _erased(names: Collection[str]) -> dict[str, OpenedField]:
    """What is left of erased fields: their names, which the log keeps."""
    return {name: OpenedField(MAX_TIER, "erased") for name in names if name != EVIDENCE_FIELD}


def _shown(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "backslashreplace")
