import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.hmac_sha256 import hmac_sha256, keyed

RFC_4231 = [
    pytest.param(
        b"\x0b" * 20,
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        id="case-1",
    ),
    pytest.param(
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        id="case-2-short-key",
    ),
    pytest.param(
        b"\xaa" * 20,
        b"\xdd" * 50,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        id="case-3",
    ),
    pytest.param(
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        id="case-6-long-key",
    ),
]


@pytest.mark.parametrize(("key", "message", "expected"), RFC_4231)
def test_gives_the_vectors_of_rfc_4231(key: bytes, message: bytes, expected: str) -> None:
    assert hmac_sha256(key, message).hex() == keyed(key)(message).hex() == expected


@given(st.binary(max_size=200), st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_is_the_hmac_of_the_standard_library(key: bytes, messages: list[bytes]) -> None:
    mac = keyed(key)
    for message in messages:
        assert hmac_sha256(key, message) == mac(message) == hmac.digest(key, message, "sha256")


@pytest.mark.parametrize("size", [63, 64, 65])
def test_a_key_around_the_block_s_size(size: int) -> None:
    key = bytes(range(size))
    assert hmac_sha256(key, b"m") == keyed(key)(b"m") == hmac.digest(key, b"m", "sha256")
