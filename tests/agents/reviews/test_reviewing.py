"""What a model left open is decided by a person, beside the result; the log says so and an audit compares it."""

import pytest

from agents.opening.reading import RecordView
from agents.platform.knowledge import load_knowledge
from agents.reviews.considering import at_tier
from agents.reviews.reviewing import NotReviewable, Review, Reviewer
from agents.upkeep.erasing import Eraser
from schemas.errors import ConfigurationError, SealstreamError
from sealstream.review_labels import KnownLabels
from tests.support.installation import Installation, Worker
from tests.support.reviews import left_open, name_of

OFFICER = "officer@example.org"


async def reviewer(platform: Installation, tier: int = 3, actor: str = OFFICER) -> Reviewer:
    knowledge = await load_knowledge(platform.database, platform.identity, max_tier=tier)
    reader = await platform.reader(tier, actor=actor)
    return Reviewer(
        platform.database, platform.identity, knowledge, at_tier(reader, tier), labels=KnownLabels(()), actor=actor
    )


async def decide(platform: Installation, name: str, label: str = "salary", reason: str = "payroll run") -> Review:
    return await (await reviewer(platform)).decide(name_of(name), label, reason)


async def shown(platform: Installation, name: str, tier: int = 3) -> RecordView:
    (view,) = await (await platform.reader(tier)).show(name_of(name))
    return view


async def findings(platform: Installation) -> list[str]:
    await platform.sequence()
    return [str(finding) for finding in (await platform.audit()).findings]


async def test_a_decision_stands_beside_the_result_and_changes_nothing_of_it(
    platform: Installation, worker: Worker
) -> None:
    await left_open(worker, "a")
    before = await platform.rows("SELECT * FROM results ORDER BY record_id")
    done = await decide(platform, "a")
    assert (done.number, done.supersedes) == (1, None)
    assert await platform.rows("SELECT * FROM results ORDER BY record_id") == before
    view = await shown(platform, "a")
    (review,) = view.reviews
    assert {name: field.value for name, field in review.fields.items()} == {
        "label": b"salary",
        "reason": b"payroll run",
    }
    assert view.fields["label"].value != b"salary"
    assert not (await shown(platform, "sure")).reviews
    assert await findings(platform) == []


async def test_what_is_decided_is_not_open_any_more(platform: Installation, worker: Worker) -> None:
    await left_open(worker, "a", "b")
    reader = await platform.reader(2)
    assert {view.stored.record_id for view in await reader.to_review()} == {name_of("a"), name_of("b")}
    await decide(platform, "a")
    assert [view.stored.record_id for view in await reader.to_review(tenant="bank-a")] == [name_of("b")]
    assert await reader.to_review(tenant="bank-b") == []


async def test_the_leaf_commits_to_label_and_reason_and_names_neither(platform: Installation, worker: Worker) -> None:
    await left_open(worker, "a")
    await decide(platform, "a")
    leaves = await platform.leaves("bank-a")
    (leaf,) = [leaf for leaf in leaves if leaf["kind"] == "review"]
    assert (leaf["record"], leaf["linked"], leaf["count"]) == (str(name_of("a")), str(name_of("a")), 1)
    assert leaf["actor"]
    assert leaf["basis"] == "alone"
    assert "salary" not in str(leaf)
    assert "payroll" not in str(leaf)
    # What is decided on was looked at.
    assert leaves[-2]["kind"] == "read"
    assert leaves[-2]["actor"] == leaf["actor"]


async def test_a_second_decision_supersedes_the_first_and_links_to_it(platform: Installation, worker: Worker) -> None:
    await left_open(worker, "a")
    first = await decide(platform, "a")
    second = await decide(platform, "a", "fee", "a charge after all")
    third = await decide(platform, "a", "tax", "no, a tax")
    assert [each.number for each in (first, second, third)] == [1, 2, 3]
    assert (second.supersedes, third.supersedes) == (first.name, second.name)
    labels = [review.fields["label"].value for review in (await shown(platform, "a")).reviews]
    assert labels == [b"salary", b"fee", b"tax"]
    reviews = [leaf for leaf in await platform.leaves("bank-a") if leaf["kind"] == "review"]
    assert [leaf["linked"] for leaf in reviews] == [str(name_of("a")), str(first.name), str(second.name)]
    assert await findings(platform) == []
    assert (await platform.audit()).reviews == 3


async def test_two_who_decide_at_once_come_one_after_the_other(platform: Installation, worker: Worker) -> None:
    import asyncio

    await left_open(worker, "a")
    both = [await reviewer(platform, actor=each) for each in ("one@example.org", "two@example.org")]
    done = await asyncio.gather(*(each.decide(name_of("a"), "fee", "so it is") for each in both))
    assert sorted(each.number for each in done) == [1, 2]
    assert await findings(platform) == []


async def test_decisions_that_have_no_place_yet_are_no_findings(platform: Installation, worker: Worker) -> None:
    await left_open(worker, "a")
    await decide(platform, "a")
    await decide(platform, "a", "fee")
    assert (await platform.audit()).ok


@pytest.mark.parametrize(
    ("name", "label", "reason", "error", "words"),
    [
        pytest.param("sure", "salary", "why", NotReviewable, "not left to a person", id="the-model-answered"),
        pytest.param("nobody", "salary", "why", NotReviewable, "no record", id="no-such-record"),
        pytest.param("a", "lottery", "why", ConfigurationError, "no such label", id="another-label"),
        pytest.param("a", "salary", " \n", ConfigurationError, "reason", id="no-reason"),
    ],
)
async def test_what_cannot_be_decided_is_refused_and_leaves_nothing(
    platform: Installation, worker: Worker, name: str, label: str, reason: str, error: type[SealstreamError], words: str
) -> None:
    await left_open(worker, "a")
    with pytest.raises(error, match=words):
        await decide(platform, name, label, reason)
    assert await platform.one("SELECT count(*) FROM reviews") == 0
    assert not [leaf for leaf in await platform.leaves("bank-a") if leaf["kind"] == "review"]


async def test_a_model_that_is_not_known_here_is_refused(platform: Installation, worker: Worker) -> None:
    await left_open(worker, "a")
    knowledge = await load_knowledge(platform.database, platform.identity, max_tier=3)
    consider = at_tier(await platform.reader(3), 3)
    stranger = Reviewer(platform.database, platform.identity, knowledge, consider, labels=lambda _: None)
    with pytest.raises(ConfigurationError, match="not known here"):
        await stranger.decide(name_of("a"), "salary", "why")


async def test_nobody_decides_below_the_tier_of_the_reason(platform: Installation, worker: Worker) -> None:
    with pytest.raises(ConfigurationError, match="tier 3"):
        await reviewer(platform, tier=2)


async def test_a_reader_below_sees_the_label_and_not_the_reason(platform: Installation, worker: Worker) -> None:
    await left_open(worker, "a")
    await decide(platform, "a")
    (review,) = (await shown(platform, "a", tier=2)).reviews
    assert (review.fields["label"].state, review.fields["reason"].state) == ("open", "sealed")


async def test_a_review_goes_with_its_record_when_that_is_erased(platform: Installation, worker: Worker) -> None:
    await left_open(worker, "a", "b")
    await decide(platform, "a")
    knowledge = await load_knowledge(platform.database, platform.identity, max_tier=0)
    eraser = Eraser(platform.database, platform.identity, knowledge, actor=OFFICER)
    for name in ("a", "b"):
        await eraser.erase(name_of(name), "request 7")
    assert await platform.one("SELECT count(*) FROM reviews WHERE sealed IS NOT NULL") == 0
    (review,) = (await shown(platform, "a")).reviews
    assert not review.fields
    assert await (await platform.reader(2)).to_review() == []
    with pytest.raises(NotReviewable, match=r"erased|label"):
        await decide(platform, "a")
    assert await findings(platform) == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        pytest.param("DELETE FROM reviews WHERE n = 1", "its row in reviews is gone", id="missing-row"),
        pytest.param(
            "UPDATE reviews r SET sealed = o.sealed, pass_id = o.pass_id FROM reviews o WHERE r.n = 1 AND o.n = 2",
            "its commitment is not the one in the leaf",
            id="changed-label",
        ),
        pytest.param(
            "UPDATE reviews SET sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1) WHERE n = 1",
            "review of record",
            id="damaged",
        ),
        pytest.param(
            "UPDATE reviews SET sealed = NULL WHERE n = 1", "no leaf says that its record was erased", id="gone"
        ),
        pytest.param("UPDATE reviews SET n = 7 WHERE n = 2", "column n of its review", id="renumbered"),
        pytest.param(
            "UPDATE reviews SET record_id = gen_random_uuid() WHERE n = 2", "column record_id", id="another-record"
        ),
        pytest.param(
            "INSERT INTO reviews (log_id, commit_id, leaf, record_id, n, tenant, domain, pass_id, sealed) "
            "SELECT log_id, commit_id, leaf + 1, record_id, 3, tenant, domain, pass_id, sealed FROM reviews "
            "WHERE n = 2",
            "a row of reviews has no leaf",
            id="row-without-leaf",
        ),
        pytest.param(
            "INSERT INTO reviews (log_id, commit_id, leaf, record_id, n, tenant, domain, pass_id, sealed) "
            "SELECT log_id, 99999999, 0, record_id, 3, tenant, domain, pass_id, sealed FROM reviews WHERE n = 2",
            "its row in reviews names commit 99999999",
            id="row-without-commit",
        ),
    ],
)
async def test_an_audit_sees_what_was_changed(
    platform: Installation, worker: Worker, statement: str, words: str
) -> None:
    await left_open(worker, "a")
    await decide(platform, "a")
    await decide(platform, "a", "fee", "a charge after all")
    await platform.sequence()
    assert (await platform.audit()).ok
    await platform.execute(statement)
    assert any(words in finding for finding in await findings(platform))


async def test_label_and_reason_are_sealed_anew_with_the_domain(platform: Installation, worker: Worker) -> None:
    from agents.keys.custodian import Custodian, ScopeFilter
    from agents.upkeep.resealing import Resealer

    await left_open(worker, "a")
    await decide(platform, "a")
    await Custodian(platform.database, platform.identity).rotate(ScopeFilter(tenant="bank-a"))
    done = await Resealer(platform.database, platform.identity).reseal(ScopeFilter(tenant="bank-a"))
    assert not done.broken
    former = await platform.one(
        "SELECT count(*) FROM reviews r JOIN data_keys d USING (pass_id) JOIN tier_keys t ON t.key_id = d.tier_key_id "
        "WHERE t.epoch = 1"
    )
    assert former == 0
    platform.knowledge = await load_knowledge(platform.database, platform.identity)
    (review,) = (await shown(platform, "a")).reviews
    assert review.fields["label"].value == b"salary"
    assert await findings(platform) == []
