import msgspec
import pytest

from agents.relay import attested_notices
from agents.relay.attested_notices import attest_notices
from agents.relay.notices import Draft, draft_notices
from schemas.errors import Rejection
from schemas.events import decode_event
from schemas.leaf import LEAF_VERSION, Leaf, encode_leaf
from schemas.reasons import Reason
from security.batch_statement import StatementCache
from security.key_registry import KeyRegistry
from security.note import Signer as NoteSigner
from security.notice_key import certify_notice_key, notice_signer, trusted_notice_key
from security.verifiability import verify_event
from tests.support.notice_sink import bare

ORIGIN = "example.org/logs/t"
LOG = NoteSigner(ORIGIN, b"l" * 32)
SIGNER = notice_signer(ORIGIN, b"n" * 32)
REGISTRY = KeyRegistry([trusted_notice_key(certify_notice_key(LOG, SIGNER.public_key), LOG.verifier)])


def drafts(count: int) -> list[Draft]:
    made: list[Draft] = []
    previous: dict[str, int] = {}
    for index in range(count):
        leaf = Leaf(v=LEAF_VERSION, commit=1, kind="result", time="2026-01-05T08:00:00.123Z", record=f"r{index}")
        topics = ("audit", "results") if index != 2 else ("audit",)
        made += draft_notices(topics, leaf, encode_leaf(leaf), ORIGIN, index, previous)
        previous |= dict.fromkeys(topics, index)
    return made


@pytest.mark.parametrize("count", [0, 1, 7])
def test_every_notice_verifies_alone_and_is_otherwise_the_same(count: int) -> None:
    for before, after in zip(drafts(count), attest_notices(drafts(count), SIGNER), strict=True):
        assert after.event.batchmaterial
        assert bare(after) == before
        verified = verify_event(decode_event(after.headers, after.value), REGISTRY, 0)
        assert verified.signer == f"{ORIGIN}#notices"
        assert verified.event.extensions == before.event.extensions


def test_what_is_attested_is_what_a_subscriber_decodes() -> None:
    for notice in attest_notices(drafts(4), SIGNER):
        assert notice.event == decode_event(notice.headers, notice.value)


def test_one_event_in_two_topics_is_attested_once() -> None:
    audit, results = attest_notices(drafts(1), SIGNER)
    assert audit.event is results.event
    assert (audit.topic, results.topic) == ("audit", "results")


def test_a_chain_can_be_neither_changed_nor_begun_anew_nor_continued() -> None:
    first, _, second, _ = attest_notices(drafts(2), SIGNER)
    cut = [header for header in second.headers if header[0] != "ce_sealprev"]
    for headers in (cut, [*first.headers, ("ce_sealprev", b"5")]):
        with pytest.raises(Rejection) as caught:
            verify_event(decode_event(headers, (first if "5" in str(headers[-1]) else second).value), REGISTRY, 0)
        assert caught.value.reason is Reason.DIGEST_MISMATCH


def test_more_notices_than_a_batch_holds_get_further_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attested_notices, "MAX_BATCH", 3)
    attested = attest_notices(drafts(4), SIGNER)
    statements = StatementCache()
    for draft, notice in zip(drafts(4), attested, strict=True):
        assert bare(notice) == draft
        verify_event(decode_event(notice.headers, notice.value), REGISTRY, 0, statements)
    assert len(statements) == 2  # five events in seven notices


def test_a_notice_key_signs_for_its_log_and_for_notices_alone() -> None:
    (notice, _) = attest_notices(drafts(1), SIGNER)
    event = decode_event(notice.headers, notice.value)
    elsewhere = NoteSigner("example.org/logs/u", b"u" * 32)
    other = notice_signer("example.org/logs/u", b"v" * 32)
    stranger = KeyRegistry([trusted_notice_key(certify_notice_key(elsewhere, other.public_key), elsewhere.verifier)])
    with pytest.raises(Rejection) as caught:
        verify_event(event, stranger, 0)
    assert caught.value.reason is Reason.UNKNOWN_KEY
    with pytest.raises(Rejection) as caught:
        verify_event(msgspec.structs.replace(event, type="org.example.x"), REGISTRY, 0)
    assert caught.value.reason is Reason.UNKNOWN_KEY
