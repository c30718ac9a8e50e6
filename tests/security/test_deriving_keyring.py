"""Names and derived secrets of vault and HSM keyrings: what is released must never change."""

import hmac
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigurationError
from security.deriving_keyring import DerivingKeyring, kek_name, key_name
from security.key_provider import Scope

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=120)
# What Transit takes as a name, and no path has another meaning.
NAME = re.compile(r"\w(([\w.-]+)?\w)?", re.ASCII)


class FixedKeyring(DerivingKeyring):
    """Its provider has one key; it counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def _hmac(self, name: str, message: bytes) -> bytes:
        self.asked.append(name)
        return hmac.digest(bytes(32), message, "sha256")


def test_derived_secrets_are_the_ones_of_the_first_release() -> None:
    """Computed with OpenSSL: another value would make terms match nothing and logs change their keys."""
    ring = FixedKeyring()
    assert (
        ring.index_key("bank-a", "account").hex() == "10c962e67e49dad8057134e00f83f97ae4292978c45eb1acffb72081dcfe5e99"
    )
    assert ring.signing_seed("log-bank-a").hex() == "a6a0ff7b15cdcaefa002a34e0893e3b791d906d81e2e688e41b338a0b8d1e479"


def test_each_secret_is_asked_for_once() -> None:
    ring = FixedKeyring()
    for _ in range(3):
        ring.index_key("bank-a", "name")
        ring.signing_seed("authority")
    assert ring.asked == ["index.bank-a.name", "seed.authority"]


def test_an_answer_of_another_length_is_no_key() -> None:
    class Short(FixedKeyring):
        def _hmac(self, name: str, message: bytes) -> bytes:
            return super()._hmac(name, message)[:16]

    with pytest.raises(ConfigurationError, match=r"seed\.authority"):
        Short().signing_seed("authority")


@given(st.lists(TEXTS, min_size=1, max_size=3), st.lists(TEXTS, min_size=1, max_size=3))
def test_a_name_is_one_list_of_texts_and_in_the_providers_alphabet(one: list[str], other: list[str]) -> None:
    name = key_name("kek", *one)
    assert NAME.fullmatch(name)
    assert (name == key_name("kek", *other)) == (one == other)


def test_a_scope_s_name_begins_with_its_owner() -> None:
    assert kek_name(Scope("bank-a", "payments", 3, 2)) == "kek.bank-a.payments.t3.e2"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param(("bank-a", "payments"), "kek.bank-a.payments", id="plain"),
        pytest.param(("bank.a", "b"), "kek.bank_2ea.b", id="a dot is no separator"),
        pytest.param(("bank-", "b"), "kek.bank_2d.b", id="no dash at the end"),
        pytest.param(("Bank_A", "中"), "kek._42ank_5f_41._e4_b8_ad", id="other characters"),
        pytest.param(("../x", "a/b"), "kek._2e_2e_2fx.a_2fb", id="never a path"),
    ],
)
def test_names_at_the_provider(parts: tuple[str, ...], expected: str) -> None:
    assert key_name("kek", *parts) == expected


@pytest.mark.parametrize("name", ["", "\ud800"])
def test_names_that_are_none_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        key_name("index", "bank-a", name)


def test_long_names_stay_different() -> None:
    one, other = "x" * 500 + "a", "x" * 500 + "b"
    assert key_name("seed", one) != key_name("seed", other)
    assert len(key_name("seed", one)) < 100
