"""What holds a customer's text does not show it: a repr stands in every traceback."""

import pytest

from agents.inference.text_model import PreparedText
from agents.lanes.claims import OpenedText

TEXT = "my diagnosis is nobody's business"


@pytest.mark.parametrize("holder", [PreparedText(TEXT, b"\0" * 4, 1), OpenedText(TEXT, "urn:a", 3)], ids=["p", "o"])
def test_a_text_is_not_in_the_repr_of_its_holder(holder: object) -> None:
    assert "diagnosis" not in f"{holder} {holder!r} {[holder]}"
