from collections import Counter
from decimal import Decimal
from random import Random

import pytest

from sealstream.evaluators.bank_transaction_kinds import kind_of_code
from sealstream.samples.narratives import KINDS, make_narrative
from sealstream.samples.parties import Party, iban_check_digits, language_of, make_party


@pytest.mark.parametrize(
    ("country", "bban", "digits"),
    [
        # Examples of the IBAN registry.
        pytest.param("GB", "NWBK60161331926819", "29", id="GB"),
        pytest.param("DE", "370400440532013000", "89", id="DE"),
        pytest.param("NL", "ABNA0417164300", "91", id="NL"),
        pytest.param("FI", "12345600000785", "21", id="FI"),
    ],
)
def test_iban_check_digits_are_those_of_the_registry(country: str, bban: str, digits: str):
    assert iban_check_digits(country, bban) == digits


def parties(count: int, **wanted: object) -> list[Party]:
    rng = Random(7)
    return [make_party(rng, **wanted) for _ in range(count)]  # type: ignore[arg-type]  # the names are the parameters


def test_every_latin_party_has_an_iban_that_checks():
    lengths = {"AT": 20, "BE": 16, "CH": 21, "DE": 22, "ES": 24, "FI": 18, "FR": 27, "GB": 22, "IT": 27, "LU": 20, "NL": 18, "SE": 24}  # fmt: skip  # noqa: E501
    for party in parties(500, script="latin"):
        assert len(party.iban) == lengths[party.iban[:2]]
        rearranged = party.iban[4:] + party.iban[:4]
        assert int("".join(str(int(character, 36)) for character in rearranged)) % 97 == 1
        assert party.bic[4:6] == party.iban[:2]
        assert len(party.bic) in (8, 11)


def test_every_chinese_party_has_a_domestic_account_and_a_chinese_name():
    for party in parties(200, script="chinese"):
        assert party.iban.isdecimal()
        assert 16 <= len(party.iban) <= 19
        assert any("\u4e00" <= character <= "\u9fff" for character in party.name)
        assert language_of(party) == "zh"


def test_scripts_and_businesses_are_as_asked_for_and_mixed_otherwise():
    assert {party.script for party in parties(200)} == {"latin", "chinese"}
    assert all("公司" in party.name for party in parties(50, script="chinese", business=True))
    assert not any("公司" in party.name for party in parties(50, script="chinese", business=False))


def test_the_same_seed_gives_the_same_sample_and_another_seed_another():
    def sample(seed: int) -> list[object]:
        rng = Random(seed)
        return [make_narrative(rng, make_party(rng)) for _ in range(50)]

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)


@pytest.mark.parametrize("kind", KINDS)
def test_narratives_of_a_kind_carry_codes_amounts_and_texts_of_that_kind(kind: str):
    rng = Random(3)
    narratives = [make_narrative(rng, make_party(rng), kind) for _ in range(300)]
    assert {narrative.kind for narrative in narratives} == {kind}
    assert {kind_of_code(narrative.bank_transaction_code) for narrative in narratives} == {kind}
    assert all(narrative.amount > 0 for narrative in narratives)
    assert all(narrative.amount.as_tuple().exponent == -2 for narrative in narratives)
    assert all(narrative.amount < Decimal("1e13") for narrative in narratives)
    assert all(len(narrative.text) <= 280 for narrative in narratives)
    assert all("{" not in narrative.text for narrative in narratives)
    assert len({narrative.text for narrative in narratives}) > 100


def test_the_sign_of_transfers_is_that_of_their_direction():
    rng = Random(4)
    incoming = {make_narrative(rng, make_party(rng), "credit_transfer_in").credit_debit for _ in range(50)}
    outgoing = {make_narrative(rng, make_party(rng), "credit_transfer_out").credit_debit for _ in range(50)}
    assert (incoming, outgoing) == ({"CRDT"}, {"DBIT"})


def test_text_follows_the_script_of_the_counterparty():
    rng = Random(5)
    chinese = [make_narrative(rng, make_party(rng, "chinese"), "fee").text for _ in range(100)]
    latin = [make_narrative(rng, make_party(rng, "latin"), "cash_deposit").text for _ in range(100)]
    assert all(any("\u3400" <= c <= "\u9fff" for c in text) for text in chinese if text)
    with_labels = sum(any("\u3400" <= c <= "\u9fff" for c in text) for text in latin)
    assert with_labels < 20


def test_kinds_occur_in_all_and_mostly_as_transfers():
    rng = Random(6)
    kinds = Counter(make_narrative(rng, make_party(rng)).kind for _ in range(3_000))
    assert set(kinds) == set(KINDS)
    assert kinds["credit_transfer_in"] + kinds["credit_transfer_out"] > 1_500


def test_some_entries_are_silent():
    rng = Random(8)
    silent = sum(not make_narrative(rng, make_party(rng)).text for _ in range(2_000))
    assert 200 < silent < 800


def test_an_unknown_kind_is_refused():
    with pytest.raises(KeyError):
        make_narrative(Random(1), make_party(Random(1)), "barter")
