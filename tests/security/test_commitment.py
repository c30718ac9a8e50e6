import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from hypothesis import given
from hypothesis import strategies as st

from security.commitment import COMMITMENT_BYTES, SALT_BYTES, CommitmentMismatch, Commitments, verify_commitment

SALT = bytes(range(SALT_BYTES))

salts = st.binary(min_size=SALT_BYTES, max_size=SALT_BYTES)


@given(salts, st.binary(max_size=300))
def test_a_commitment_is_the_whole_hmac(salt: bytes, value: bytes) -> None:
    mac = HMAC(salt, SHA256())
    mac.update(value)
    made = Commitments.SHA256.commit(salt, value)
    assert made == mac.finalize()
    assert len(made) == COMMITMENT_BYTES
    verify_commitment(made, salt, value)


def test_rfc_4231_case_2() -> None:
    # The published key is 4 bytes; HMAC itself is what is compared here.
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert Commitments.SHA256.commit(b"Jefe", b"what do ya want for nothing?").hex() == expected


@given(salts, st.binary(min_size=1, max_size=40), st.data())
def test_another_value_salt_or_commitment_does_not_verify(salt: bytes, value: bytes, data: st.DataObject) -> None:
    parts = [Commitments.SHA256.commit(salt, value), salt, value]
    changed = data.draw(st.integers(0, 2))
    bit = data.draw(st.integers(0, len(parts[changed]) * 8 - 1))
    broken = bytearray(parts[changed])
    broken[bit // 8] ^= 1 << bit % 8
    parts[changed] = bytes(broken)
    with pytest.raises(CommitmentMismatch):
        verify_commitment(*parts)


@pytest.mark.parametrize("salt", [SALT[:15], SALT + b"\0", b""], ids=["short", "zero-padded", "empty"])
def test_a_salt_of_another_length_does_not_verify(salt: bytes) -> None:
    # HMAC pads its key with zeros: without the check the padded salt would open the same commitment.
    with pytest.raises(CommitmentMismatch):
        verify_commitment(Commitments.SHA256.commit(salt, b"value"), salt, b"value")


@pytest.mark.parametrize("length", [0, 16, 31])
def test_a_shortened_commitment_does_not_verify(length: int) -> None:
    with pytest.raises(CommitmentMismatch):
        verify_commitment(Commitments.SHA256.commit(SALT, b"value")[:length], SALT, b"value")
