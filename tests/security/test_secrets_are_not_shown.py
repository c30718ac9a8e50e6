"""No repr, text or error of what holds a key shows it: a repr stands in every traceback and every log line."""

import base64
import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.platform.identity import Identity
from schemas.catalogue import SearchKind
from security.blind_terms import BlindIndex
from security.commit_signature import WorkerKey
from security.file_keyring import FileKeyring
from security.key_provider import Scope, UnwrapFailed, WrappedKey
from security.note import Signer
from security.opening import FieldOpener
from security.sealing import SealingPass
from security.signing import Ed25519Signer
from security.sm2 import Sm2Signer
from security.sm4_gcm import Sm4Gcm
from security.suites import Suite
from security.tier_keys import TierKey, TierKeyRecord, TierKeys

SECRET = bytes.fromhex("7e3b" * 16)
SCOPE = Scope("bank-a", "payments", 3)


class Given:
    """A provider whose every key is the secret."""

    def unwrap(self, scope: Scope, wrapped: WrappedKey) -> bytes:
        return SECRET

    def index_key(self, tenant: str, field: str) -> bytes:
        return SECRET


def held() -> TierKeys:
    keys = TierKeys()
    keys.add(TierKeyRecord(SCOPE, "tk-1", WrappedKey("k", b"")), Given())  # type: ignore[arg-type]
    return keys


def used_pass() -> SealingPass:
    sealing = SealingPass(1, "bank-a", held(), lambda size: SECRET[:size].ljust(size, b"~"))
    sealing.seal_fields("payments", bytes(16), [("amount", 3, b"10.00")])
    return sealing


def used_index() -> BlindIndex:
    index = BlindIndex(Given())  # type: ignore[arg-type]
    index.term("bank-a", "account", SearchKind.ACCOUNT, "DE89370400440532013000")
    return index


HOLDERS: dict[str, Callable[[], object]] = {
    "tier key": lambda: TierKey("tk-1", 1, SECRET),
    "tier key of SM4": lambda: TierKey("tk-1", 1, SECRET, Suite.SM4),
    "tier keys": held,
    "sealing pass": used_pass,
    "data keys": lambda: used_pass().data_keys(),
    "field opener": lambda: FieldOpener(held(), lambda *place: None, 5),
    "SM4 cipher": lambda: Sm4Gcm(SECRET[:16]),
    "AES cipher": lambda: Suite.AES.cipher(SECRET),
    "blind index": used_index,
    "worker's key": lambda: WorkerKey(SECRET, SECRET),
    "log's key": lambda: Signer("log.example/a", SECRET),
    "Ed25519 key": lambda: Ed25519Signer("a", SECRET),
    "SM2 key": lambda: Sm2Signer("a", SECRET),
}


def spellings(secret: bytes) -> set[str]:
    """How bytes may end up in a text."""
    return {
        secret.hex(),
        repr(secret)[2:-1],
        str(list(secret))[1:-1],
        str(int.from_bytes(secret)),
        base64.b64encode(secret).decode().rstrip("="),
        base64.urlsafe_b64encode(secret).decode().rstrip("="),
    }


def is_silent(text: str) -> None:
    for length in (16, 32):
        for spelling in spellings(SECRET[:length]):
            assert spelling not in text


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_repr_does_not_show_the_key(holder: str) -> None:
    found = HOLDERS[holder]()
    is_silent(f"{found!r} {found} {[found]!r}")


def test_the_spellings_are_found_where_they_stand() -> None:
    for shown in (f"{SECRET!r}", SECRET.hex(), base64.b64encode(SECRET).decode(), str(list(SECRET))):
        with pytest.raises(AssertionError):
            is_silent(f"key={shown}")


def test_a_keyring_and_what_is_built_on_it_show_no_key(tmp_path: Path) -> None:
    ring = FileKeyring(tmp_path / "ring")
    secrets = [ring.signing_seed("authority"), ring.index_key("bank-a", "account")]
    shown = f"{ring!r} {Identity(ring, 'log.example')!r} {ring.wrap(SCOPE, SECRET)!r}"
    is_silent(shown)
    for secret in secrets:
        assert not any(spelling in shown for spelling in spellings(secret))


def test_an_error_about_a_key_does_not_show_it(tmp_path: Path) -> None:
    ring = FileKeyring(tmp_path / "ring")
    wrapped = ring.wrap(SCOPE, SECRET)
    broken = WrappedKey(wrapped.kek_id, wrapped.ciphertext[:-1] + os.urandom(1))
    while broken == wrapped:
        broken = WrappedKey(wrapped.kek_id, wrapped.ciphertext[:-1] + os.urandom(1))
    with pytest.raises(UnwrapFailed) as caught:
        ring.unwrap(SCOPE, broken)
    is_silent("".join(traceback.format_exception(caught.value)))
    for wrong in (SECRET[:31], SECRET + b"~"):
        with pytest.raises(Exception) as refused:
            Suite.AES.cipher(wrong)
        is_silent("".join(traceback.format_exception(refused.value)))
