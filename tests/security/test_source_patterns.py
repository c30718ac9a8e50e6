import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigurationError
from security.source_patterns import Patterns, overlap

patterns = st.text("ab*", min_size=1, max_size=4).filter(lambda text: "*" not in text[:-1])
names = st.text("ab", max_size=5)


@given(one=patterns, other=patterns, name=names)
def test_patterns_that_cover_a_common_name_overlap(one, other, name):
    if Patterns("x", (one,)).match(name) and Patterns("x", (other,)).match(name):
        assert overlap(one, other)


@given(one=patterns, other=patterns)
def test_patterns_that_overlap_have_a_common_name(one, other):
    assert overlap(one, other) == overlap(other, one)
    if overlap(one, other):
        name = max(one.rstrip("*"), other.rstrip("*"), key=len)
        assert Patterns("x", (one,)).match(name)
        assert Patterns("x", (other,)).match(name)


@pytest.mark.parametrize("pattern", ["", "a*b", "**"])
def test_other_notations_are_refused(pattern):
    with pytest.raises(ConfigurationError):
        Patterns("x", (pattern,))
