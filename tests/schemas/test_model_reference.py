"""What is written of models in leaves is read back, one or several; what is none is none."""

import pytest

from schemas.model_reference import SEPARATOR, ModelReference, read_references

ONE = ModelReference("letters", "1.0.0-int8", "ab" * 32)
OTHER = ModelReference("names_zh", "0.1.0", "cd" * 32)


def test_models_are_read_back_in_their_order() -> None:
    assert read_references(str(ONE)) == [ONE]
    assert read_references(SEPARATOR.join(map(str, (OTHER, ONE)))) == [OTHER, ONE]


@pytest.mark.parametrize("text", ["", "letters", "letters@1", "letters@1 sha256:ab", "@1 sha256:" + "ab" * 32])
def test_what_names_no_model_gives_none(text: str) -> None:
    assert read_references(text) == []
