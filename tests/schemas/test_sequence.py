import pytest

from schemas.errors import Rejection
from schemas.reasons import Reason
from schemas.sequence import parse_sequence


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("0007", 7), ("9" * 18, 10**18 - 1)])
def test_padded_digits_are_a_number(text: str, number: int) -> None:
    assert parse_sequence(text) == number


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "1e3", "0x1", " 1", "1\n", "१", "a", "1" * 19])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Rejection) as caught:
        parse_sequence(text)
    assert caught.value.reason is Reason.SCHEMA_VIOLATION
