import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import VerificationFailed
from security.checkpoint import (
    Checkpoint,
    MalformedCheckpoint,
    UntrustedCheckpoint,
    WrongOrigin,
    parse_checkpoint,
    parse_decimal,
    sign_checkpoint,
    verify_checkpoint,
)
from security.merkle import EMPTY_ROOT, leaf_hash, tree_root
from security.note import InvalidSignature, NoTrustedSignature, Signer, Verifier, parse_note, sign_note
from tests.shared_data import SHARED, shared

MINILOG = SHARED / "standards/vectors/tessera-minilog.json"
LOG_DATA: dict[str, Any] = json.loads(MINILOG.read_text()) if MINILOG.exists() else {}
REAL = SHARED / "data/crypto_vectors/notes_and_jws"

ORIGIN = "log.example/audit"
LOG = Signer(ORIGIN, bytes(range(32)))
WITNESSES = [Signer(f"witness.example/{n}", bytes([n]) * 32) for n in range(1, 4)]
ROOT = bytes(range(32))
ROOT_B64 = b64encode(ROOT).decode()
CHECKPOINT = Checkpoint(ORIGIN, 42, ROOT)


def test_standard_vectors_are_present():
    shared("standards/vectors/tessera-minilog.json")
    shared("standards/vectors/cosignature.json")
    shared("data/crypto_vectors/notes_and_jws")


@pytest.mark.parametrize(("size", "note"), sorted(LOG_DATA.get("checkpointsBySize", {}).items()))
def test_published_checkpoint_verifies_and_is_reproduced(size, note):
    entries = [entry.encode() for entry in LOG_DATA["entries"][: int(size)]]
    origin = "example.com/log/testdata"
    checkpoint = Checkpoint(origin, int(size), tree_root([leaf_hash(entry) for entry in entries]))
    assert verify_checkpoint(note.encode(), origin, [Verifier.from_vkey(LOG_DATA["vkey"])]) == checkpoint
    assert sign_checkpoint(checkpoint, [Signer.from_skey(LOG_DATA["skey"])]).decode() == note


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in sorted(REAL.glob("*.checkpoint"))])
def test_real_checkpoint_of_the_go_checksum_database(path):
    vkey = json.loads((REAL / "vectors.json").read_text())["note_vkeys"]["sum.golang.org"]
    checkpoint = verify_checkpoint(path.read_bytes(), "go.sum database tree", [Verifier.from_vkey(vkey)])
    assert checkpoint.size == int(path.stem.rsplit("_", 1)[1])
    assert checkpoint.text == parse_note(path.read_bytes()).text


def test_published_cosigned_checkpoint_meets_a_policy_of_one_witness():
    own = json.loads(shared("standards/vectors/cosignature.json").read_text())["own"]
    log, witness = Verifier.from_vkey(own["logVkey"]), Verifier.from_vkey(own["witnessVkey04"])
    note = own["checkpoint"].encode()
    assert verify_checkpoint(note, log.name, [log], [witness], min_witnesses=1).size == 8
    with pytest.raises(UntrustedCheckpoint, match="0 known"):
        verify_checkpoint(note, log.name, [log], [], min_witnesses=1)


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters=[chr(c) for c in range(32)]), min_size=1),
    st.integers(1, 2**64 - 1),
    st.binary(min_size=32, max_size=32),
    st.lists(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1), max_size=3).map(tuple),
)
@settings(deadline=None)
def test_verify_inverts_sign(origin, size, root, extensions):
    checkpoint = Checkpoint(origin, size, root, extensions)
    assert parse_checkpoint(checkpoint.text) == checkpoint
    assert verify_checkpoint(sign_checkpoint(checkpoint, [LOG]), origin, [LOG.verifier]) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(f"{ORIGIN}\n42\n", id="root-missing"),
        pytest.param(f"{ORIGIN}\n42\n{ROOT_B64}", id="last-newline-missing"),
        pytest.param(f"\n42\n{ROOT_B64}\n", id="empty-origin"),
        pytest.param(f"{ORIGIN}\n\n{ROOT_B64}\n", id="empty-size"),
        pytest.param(f"{ORIGIN}\n-1\n{ROOT_B64}\n", id="negative-size"),
        pytest.param(f"{ORIGIN}\n+1\n{ROOT_B64}\n", id="signed-size"),
        pytest.param(f"{ORIGIN}\n042\n{ROOT_B64}\n", id="leading-zero"),
        pytest.param(f"{ORIGIN}\n4_2\n{ROOT_B64}\n", id="underscore"),
        pytest.param(f"{ORIGIN}\n ４２\n{ROOT_B64}\n", id="wide-digits"),
        pytest.param(f"{ORIGIN}\n42 \n{ROOT_B64}\n", id="trailing-space"),
        pytest.param(f"{ORIGIN}\n0x2a\n{ROOT_B64}\n", id="hexadecimal"),
        pytest.param(f"{ORIGIN}\n{2**64}\n{ROOT_B64}\n", id="size-beyond-64-bits"),
        pytest.param(f"{ORIGIN}\n{'9' * 10_000}\n{ROOT_B64}\n", id="endless-size"),
        pytest.param(f"{ORIGIN}\n42\n{ROOT_B64[:-4]}\n", id="short-root"),
        pytest.param(f"{ORIGIN}\n42\n{b64encode(bytes(33)).decode()}\n", id="long-root"),
        pytest.param(f"{ORIGIN}\n42\n{ROOT_B64[:-1]}\n", id="padding-missing"),
        pytest.param(f"{ORIGIN}\n42\n{ROOT.hex()}\n", id="hexadecimal-root"),
        pytest.param(f"{ORIGIN}\n42\n{ROOT_B64[:-2]}9=\n", id="second-spelling-of-base64"),
        pytest.param(f"{ORIGIN}\n42\n{ROOT_B64}\n\n", id="empty-extension-line"),
        pytest.param(f"{ORIGIN}\n42\n{ROOT_B64}\n\nmore\n", id="empty-line-before-an-extension"),
        pytest.param(f"{ORIGIN}\n0\n{ROOT_B64}\n", id="empty-tree-with-another-root"),
    ],
)
def test_refuses_what_is_not_a_checkpoint(text):
    with pytest.raises(MalformedCheckpoint):
        parse_checkpoint(text)
    if text.endswith("\n"):
        with pytest.raises(MalformedCheckpoint):
            verify_checkpoint(sign_note(text, [LOG]), ORIGIN, [LOG.verifier])


def test_extension_lines_are_kept():
    text = f"{ORIGIN}\n42\n{ROOT_B64}\none\ntwo words\n"
    checkpoint = parse_checkpoint(text)
    assert checkpoint.extensions == ("one", "two words")
    assert checkpoint.text == text


@pytest.mark.parametrize(
    "checkpoint",
    [
        pytest.param(Checkpoint("", 1, ROOT), id="empty-origin"),
        pytest.param(Checkpoint("a\nb", 1, ROOT), id="newline-in-the-origin"),
        pytest.param(Checkpoint("a", -1, ROOT), id="negative-size"),
        pytest.param(Checkpoint("a", 2**64, ROOT), id="size-beyond-64-bits"),
        pytest.param(Checkpoint("a", 1, ROOT[1:]), id="short-root"),
        pytest.param(Checkpoint("a", 1, ROOT, ("",)), id="empty-extension"),
        pytest.param(Checkpoint("a\tb", 1, ROOT), id="control-character"),
    ],
)
def test_refuses_to_sign_what_nobody_could_read(checkpoint):
    with pytest.raises(ValueError):
        sign_checkpoint(checkpoint, [LOG])


def test_the_empty_log_has_a_checkpoint():
    empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
    assert verify_checkpoint(sign_checkpoint(empty, [LOG]), ORIGIN, [LOG.verifier]) == empty


def test_refuses_another_logs_checkpoint():
    with pytest.raises(WrongOrigin):
        verify_checkpoint(sign_checkpoint(CHECKPOINT, [LOG]), "log.example/other", [LOG.verifier])


def test_a_witness_can_not_speak_for_the_log():
    witness = WITNESSES[0]
    note = sign_checkpoint(CHECKPOINT, [witness])
    with pytest.raises(UntrustedCheckpoint, match="key of its log"):
        verify_checkpoint(note, ORIGIN, [LOG.verifier], [witness.verifier])
    with pytest.raises(NoTrustedSignature):
        verify_checkpoint(note, ORIGIN, [LOG.verifier])


@pytest.mark.parametrize("needed", [0, 1, 2, 3])
def test_enough_known_witnesses_must_have_signed(needed):
    note = sign_checkpoint(CHECKPOINT, [LOG, *WITNESSES[:2]])
    known = [witness.verifier for witness in WITNESSES]
    if needed <= 2:
        assert verify_checkpoint(note, ORIGIN, [LOG.verifier], known, needed) == CHECKPOINT
    else:
        with pytest.raises(UntrustedCheckpoint, match="2 known"):
            verify_checkpoint(note, ORIGIN, [LOG.verifier], known, needed)


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(Signer("witness.example/1", bytes([9]) * 32), id="second-key-of-one-witness"),
        pytest.param(Signer("witness.example/9", bytes([1]) * 32), id="second-name-of-one-key"),
    ],
)
def test_a_witness_counts_once(second):
    signers = [WITNESSES[0], second]
    note = sign_checkpoint(CHECKPOINT, [LOG, *signers])
    with pytest.raises(UntrustedCheckpoint, match="1 known"):
        verify_checkpoint(note, ORIGIN, [LOG.verifier], [signer.verifier for signer in signers], 2)


def test_the_log_is_no_witness_of_itself():
    note = sign_checkpoint(CHECKPOINT, [LOG])
    with pytest.raises(UntrustedCheckpoint, match="0 known"):
        verify_checkpoint(note, ORIGIN, [LOG.verifier], [LOG.verifier], 1)


def test_a_failing_witness_line_refuses_the_checkpoint():
    good, other = (sign_checkpoint(Checkpoint(ORIGIN, n, ROOT), [LOG, WITNESSES[0]]) for n in (42, 43))
    mixed = b"".join([*good.splitlines(keepends=True)[:-1], other.splitlines(keepends=True)[-1]])
    assert verify_checkpoint(mixed, ORIGIN, [LOG.verifier]) == CHECKPOINT
    with pytest.raises(InvalidSignature):
        verify_checkpoint(mixed, ORIGIN, [LOG.verifier], [WITNESSES[0].verifier])


NOTE = sign_checkpoint(CHECKPOINT, [LOG])


@given(st.integers(0, 8 * len(NOTE) - 1))
@settings(deadline=None)
def test_any_flipped_bit_is_refused(bit):
    note = bytearray(NOTE)
    note[bit // 8] ^= 1 << bit % 8
    with pytest.raises(VerificationFailed):
        verify_checkpoint(bytes(note), ORIGIN, [LOG.verifier])


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("10", 10), (str(2**64 - 1), 2**64 - 1), (str(2**64), None), ("00", None), ("1\n", None), ("", None)],
)
def test_decimals_have_one_spelling_and_64_bits(text, number):
    assert parse_decimal(text) == number
