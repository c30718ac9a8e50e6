import datetime as dt

import pytest

from schemas.errors import ConfigurationError
from schemas.reasons import Reason
from security.key_registry import MAX_CANDIDATES, KeyRegistry, SigningKey
from security.public_key import KeyKind, PublicKey
from security.signatures import Algorithm
from security.signing import Ed25519Signer, Es256Signer

PUBLIC = Ed25519Signer("", b"\7" * 32).public_key
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
END = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)


def ms(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1000)


def key(key_id: str = "k", *sources: str, **changes: object) -> SigningKey:
    fields: dict[str, object] = {
        "algorithm": Algorithm.ED25519,
        "public_key": PUBLIC,
        "tenant": "t",
        "domain": "d",
        "sources": sources or ("/s",),
    }
    return SigningKey(key_id=key_id, **(fields | changes))


def ids(registry: KeyRegistry, source: str, event_type: str = "type", key_id: str | None = None) -> list[str]:
    return [found.key_id for found in registry.candidates(source, event_type, key_id)]


@pytest.mark.parametrize(
    ("pattern", "source", "covered"),
    [
        ("/bank/core", "/bank/core", True),
        ("/bank/core", "/bank/core/x", False),
        ("/bank/core", "/bank/cor", False),
        ("/bank/*", "/bank/core", True),
        ("/bank/*", "/bank/", True),
        ("/bank/*", "/bank", False),
        ("/bank/*", "/BANK/core", False),
        ("*", "anything", True),
    ],
)
def test_a_key_covers_its_sources_and_no_others(pattern, source, covered):
    registry = KeyRegistry([key("k", "/unrelated", pattern)])
    assert ids(registry, source) == (["k"] if covered else [])
    assert ids(registry, source, key_id="k") == (["k"] if covered else [])


def test_a_key_may_be_bound_to_types():
    registry = KeyRegistry([key(types=("io.a.v1", "io.b.*"))])
    assert [ids(registry, "/s", kind) for kind in ("io.a.v1", "io.b.v9", "io.a.v2")] == [["k"], ["k"], []]


def test_a_key_id_narrows_and_never_widens():
    registry = KeyRegistry([key("a", "/s"), key("b", "/s"), key("c", "/other")])
    assert ids(registry, "/s", key_id="b") == ["b"]
    assert ids(registry, "/s", key_id="c") == []
    assert ids(registry, "/s", key_id="absent") == []
    assert sorted(ids(registry, "/s")) == ["a", "b"]


def test_without_a_key_id_the_closest_binding_comes_first_then_the_newest_key():
    registry = KeyRegistry(
        [
            key("wide", "*"),
            key("old", "/s", not_before=START),
            key("narrow", "/*", not_before=END),
            key("new", "/s", not_before=END),
        ]
    )
    assert ids(registry, "/s") == ["new", "old", "narrow", "wide"]


def test_the_number_of_keys_tried_is_bounded():
    keys = [key(f"k{n}", "/s", "/s*", "*", not_before=START + dt.timedelta(days=n)) for n in range(50)]
    assert ids(KeyRegistry(keys), "/s") == [f"k{n}" for n in range(49, 49 - MAX_CANDIDATES, -1)]


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (START - dt.timedelta(milliseconds=1), Reason.KEY_EXPIRED),
        (START, None),
        (END - dt.timedelta(milliseconds=1), None),
        (END, Reason.KEY_EXPIRED),
    ],
)
def test_validity_starts_inclusive_and_ends_exclusive(at, reason):
    assert key(not_before=START, not_after=END).refusal(ms(at)) is reason


def test_revocation_counts_from_its_moment_and_before_expiry():
    revoked = key(not_before=START, not_after=START, revoked_at=END)
    assert revoked.refusal(ms(END) - 1) is Reason.KEY_EXPIRED
    assert revoked.refusal(ms(END)) is Reason.KEY_REVOKED
    assert key().refusal(-(2**62)) is None


def test_zones_do_not_shift_validity():
    local = dt.datetime(2026, 1, 1, 8, tzinfo=dt.timezone(dt.timedelta(hours=8)))
    assert key(not_before=local).refusal(ms(START)) is None


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"key_id": ""}, id="no-id"),
        pytest.param({"sources": ()}, id="no-source"),
        pytest.param({"sources": ("",)}, id="empty-source"),
        pytest.param({"sources": ("/a*/b",)}, id="star-inside"),
        pytest.param({"sources": ("/a**",)}, id="two-stars"),
        pytest.param({"types": ("",)}, id="empty-type"),
        pytest.param({"algorithm": Algorithm.ES256}, id="algorithm-of-another-kind"),
        pytest.param({"not_before": dt.datetime(2026, 1, 1)}, id="no-zone"),
    ],
)
def test_refuses_key_records_that_make_no_sense(changes):
    with pytest.raises(ConfigurationError):
        key(**({"key_id": "k"} | changes))


def test_refuses_two_keys_of_one_id():
    with pytest.raises(ConfigurationError, match="id"):
        KeyRegistry([key("k", "/a"), key("k", "/b")])


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [("/s", "/s"), ("/s*", "/s"), ("/s/a", "/s/*"), ("/s*", "/s/a*"), ("*", "/s"), ("/s*", "/s*")],
)
def test_two_tenants_never_share_a_source(mine, theirs):
    with pytest.raises(ConfigurationError, match="different tenants"):
        KeyRegistry([key("a", "/r", mine, "/t*"), key("between", "/s/0", tenant="x"), key("b", theirs, tenant="u")])
    assert len(KeyRegistry([key("a", mine), key("b", theirs)])) == 2


def test_a_source_may_pass_from_one_tenant_to_the_next():
    before, after = key("a", "/s", not_after=END), key("b", "/s", tenant="u", not_before=END)
    assert sorted(ids(KeyRegistry([before, after]), "/s")) == ["a", "b"]
    revoked = key("a", "/s", revoked_at=START)
    assert len(KeyRegistry([revoked, after])) == 2


def test_neighbouring_sources_may_belong_to_different_tenants():
    keys = [key("a", "/s/*"), key("b", "/s", tenant="u"), key("c", "/s0", tenant="v"), key("d", "/r*", tenant="w")]
    assert len(KeyRegistry(keys)) == 4


def test_keys_are_found_by_id_whatever_they_are_bound_to():
    other = key("p256", "/p", algorithm=Algorithm.ES256, public_key=Es256Signer("", b"\1" * 32).public_key)
    registry = KeyRegistry([key(), other])
    assert registry.get("p256") is other
    assert registry.get("absent") is None
    assert PublicKey(KeyKind.ED25519, PUBLIC.material) == registry.get("k").public_key
