import json
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import ConfigurationError, VerificationFailed
from security.note import (
    MAX_NOTE_BYTES,
    MAX_SIGNATURES,
    AmbiguousKeyError,
    InvalidSignature,
    KeyType,
    MalformedKeyError,
    MalformedNote,
    NoteSignature,
    NoTrustedSignature,
    Signer,
    Verifier,
    parse_note,
    sign_note,
    verify_note,
)
from tests.shared_data import SHARED, shared

SIGNED_NOTE = SHARED / "standards/vectors/signed-note.json"
COSIGNATURE = SHARED / "standards/vectors/cosignature.json"
REAL_NOTES = SHARED / "data/crypto_vectors/notes_and_jws"

NOTES: dict[str, Any] = json.loads(SIGNED_NOTE.read_text()) if SIGNED_NOTE.exists() else {"notes": [], "keys": []}
COSIGNED: dict[str, Any] = json.loads(COSIGNATURE.read_text()) if COSIGNATURE.exists() else {}

LOG = Signer("log.example/audit", bytes(range(32)))
OTHER = Signer("other.example", bytes(range(1, 33)))
TEXT = "first line\n\nthird line\n"


def keys_with(part: str) -> list[Any]:
    return [pytest.param(key, id=key["vkey"].split("+")[0]) for key in NOTES["keys"] if part in key]


def own_cosigned() -> dict[str, Any]:
    shared("standards/vectors/cosignature.json")
    own: dict[str, Any] = COSIGNED["own"]
    return own


def real_vkeys() -> dict[str, str]:
    vectors = json.loads((shared("data/crypto_vectors/notes_and_jws") / "vectors.json").read_text())
    vkeys: dict[str, str] = vectors["note_vkeys"]
    return vkeys


def test_standard_vectors_are_present():
    shared("standards/vectors/signed-note.json")
    shared("standards/vectors/cosignature.json")
    shared("data/crypto_vectors/notes_and_jws")


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in NOTES["notes"]])
def test_published_note(case):
    note = parse_note(case["note"].encode())
    assert note.text == case["text"]
    assert [signature.key_id.hex() for signature in note.signatures] == [case["keyIdHex"]]
    assert case["note"] == note.text + "\n" + "".join(signature.line for signature in note.signatures)
    if case["expected"] == "valid":
        assert verify_note(case["note"].encode(), [Verifier.from_vkey(case["vkey"])]) == note


@pytest.mark.parametrize("key", [key for key in keys_with("vkey") if key.values[0].get("alg") != 2])
def test_published_verifier_key(key):
    assert Verifier.from_vkey(key["vkey"]).vkey == key["vkey"]


@pytest.mark.parametrize("key", keys_with("skey"))
def test_published_signer_key_belongs_to_its_verifier_key(key):
    signer = Signer.from_skey(key["skey"])
    assert signer.verifier.vkey == key["vkey"]
    assert signer.export_skey() == key["skey"]


@pytest.mark.parametrize("key", [key for key in keys_with("vkey") if key.values[0].get("alg") == 2])
def test_refuses_ecdsa_verifier_keys(key):
    with pytest.raises(MalformedKeyError, match="0x01"):
        Verifier.from_vkey(key["vkey"])


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in sorted(REAL_NOTES.glob("sum*"))])
def test_real_checkpoint_of_the_go_checksum_database(path):
    key = Verifier.from_vkey(real_vkeys()["sum.golang.org"])
    note = verify_note(path.read_bytes(), [key])
    assert note.text.startswith("go.sum database tree\n")


def test_real_note_with_two_signers():
    vkeys = real_vkeys()
    data = (REAL_NOTES / "golang_mod_two_signers.note").read_bytes()
    peter, enoch = Verifier.from_vkey(vkeys["PeterNeumann"]), Verifier.from_vkey(vkeys["EnochRoot"])
    assert [s.name for s in verify_note(data, [peter, enoch]).signatures] == ["PeterNeumann", "EnochRoot"]
    assert [s.name for s in verify_note(data, [enoch]).signatures] == ["EnochRoot"]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, id=f"{line['name']}-{line['keyIdHex']}")
        for lines in (
            COSIGNED.get("specExamples", {}).get("lines", []),
            COSIGNED.get("witnessExamples", {}).get("addCheckpointResponse", []),
        )
        for line in lines
    ],
)
def test_published_signature_line(line):
    (signature,) = parse_note(f"text\n\n{line['line']}\n".encode()).signatures
    assert (signature.name, signature.key_id.hex()) == (line["name"], line["keyIdHex"])
    assert 4 + len(signature.signature) == line["length"]
    assert signature.line == line["line"] + "\n"


def test_cosigned_checkpoint_verifies_with_both_keys():
    own = own_cosigned()
    log, witness = Verifier.from_vkey(own["logVkey"]), Verifier.from_vkey(own["witnessVkey04"])
    note = verify_note(own["checkpoint"].encode(), [log, witness])
    assert [s.key_id for s in note.signatures] == [log.key_id, witness.key_id]
    assert int.from_bytes(note.signatures[1].signature[:8], "big") == own["timestamp"]


def test_a_key_has_another_id_for_each_type():
    own = own_cosigned()
    cosigner, plain = Verifier.from_vkey(own["witnessVkey04"]), Verifier.from_vkey(own["witnessVkey01SameKey"])
    assert cosigner.public_key == plain.public_key
    assert cosigner.key_id != plain.key_id
    assert (cosigner.key_type, plain.key_type) == (KeyType.COSIGNATURE, KeyType.ED25519)
    with pytest.raises(NoTrustedSignature):
        verify_note(own["checkpoint"].encode(), [plain])


def test_a_cosignature_covers_its_time():
    own = own_cosigned()
    witness = Verifier.from_vkey(own["witnessVkey04"])
    note = parse_note(own["checkpoint"].encode())
    signature = note.signatures[1]
    later = (own["timestamp"] + 1).to_bytes(8, "big") + signature.signature[8:]
    forged = f"{note.text}\n{replace(signature, signature=later).line}".encode()
    with pytest.raises(InvalidSignature):
        verify_note(forged, [witness])


def test_signing_reproduces_the_published_log_signature():
    own = own_cosigned()
    signer = Signer.from_skey(own["logSkey"])
    note = parse_note(own["checkpoint"].encode())
    assert signer.sign(note.text) == note.signatures[0]
    assert Signer(signer.verifier.name, bytes.fromhex(own["logSeedHex"])).export_skey() == own["logSkey"]


def test_a_signed_note_verifies_and_keeps_empty_lines_of_its_text():
    note = verify_note(sign_note(TEXT, [LOG, OTHER]), [LOG.verifier, OTHER.verifier])
    assert note.text == TEXT
    assert [signature.name for signature in note.signatures] == ["log.example/audit", "other.example"]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters=[chr(c) for c in range(32)])))
@settings(deadline=None)
def test_any_text_of_whole_lines_round_trips(line):
    for text in (line + "\n", line + "\n\n", f"\n{line}\n\n{line}\n"):
        assert verify_note(sign_note(text, [LOG]), [LOG.verifier]).text == text


@given(st.integers(0, 8 * len(sign_note(TEXT, [LOG])) - 1))
@settings(deadline=None)
def test_any_flipped_bit_is_refused(bit):
    note = bytearray(sign_note(TEXT, [LOG]))
    note[bit // 8] ^= 1 << bit % 8
    with pytest.raises(VerificationFailed):
        verify_note(bytes(note), [LOG.verifier])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_note_or_a_clear_refusal(data):
    with pytest.raises((MalformedNote, NoTrustedSignature)):
        verify_note(data, [LOG.verifier])


LINE = LOG.sign("text\n").line


@pytest.mark.parametrize(
    "note",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"text\n", id="no-signature"),
        pytest.param(b"text\n\n", id="empty-signature-block"),
        pytest.param(f"text\n{LINE}".encode(), id="no-empty-line"),
        pytest.param(f"\n{LINE}".encode(), id="no-text"),
        pytest.param(f"text\n\n{LINE}"[:-1].encode(), id="last-newline-missing"),
        pytest.param(f"text\n\n{LINE}\n".encode(), id="empty-line-at-the-end"),
        pytest.param(f"text\n\n{LINE}more\n".encode(), id="something-after-the-signatures"),
        pytest.param(f"text\n\n{LINE.replace(chr(0x2014), '-')}".encode(), id="hyphen"),
        pytest.param(f"text\n\n{LINE.replace(chr(0x2014), chr(0x2013))}".encode(), id="en-dash"),
        pytest.param(f"text\n\n{LINE.replace(chr(0x2014) + ' ', chr(0x2014))}".encode(), id="no-space-after-the-dash"),
        pytest.param(f"text\n\n{LINE.replace('audit ', 'audit  ')}".encode(), id="two-spaces-before-the-signature"),
        pytest.param(f"text\n\n{LINE}".replace("=\n", "=  \n").encode(), id="trailing-space"),
        pytest.param(f"text\r\n\r\n{LINE}".encode(), id="carriage-returns"),
        pytest.param(f"te\txt\n\n{LINE}".encode(), id="tab"),
        pytest.param(f"te\0xt\n\n{LINE}".encode(), id="nul"),
        pytest.param(b"te\xffxt\n\n" + LINE.encode(), id="not-utf-8"),
        pytest.param(b"te\xed\xa0\x80xt\n\n" + LINE.encode(), id="surrogate"),
        pytest.param(f"text\n\n{LINE}".replace("log.example", "log+example").encode(), id="plus-in-the-name"),
        pytest.param(f"text\n\n{LINE}".replace("log.example", "log\u2003example").encode(), id="em-space-in-the-name"),
        pytest.param(f"text\n\n{LINE}".replace("log.example/audit", "").encode(), id="empty-name"),
        pytest.param(f"text\n\n{LINE}".replace("=\n", "\n").encode(), id="padding-missing"),
        pytest.param("text\n\n\u2014 a.example AAAAAA==\n".encode(), id="key-id-only"),
        pytest.param("text\n\n\u2014 a.example AAAAAAB=\n".encode(), id="second-spelling-of-base64"),
        pytest.param("text\n\n\u2014 a.example AAAA-_AA\n".encode(), id="base64url"),
        pytest.param("text\n\n\u2014 a.example\n".encode(), id="no-signature-in-the-line"),
        pytest.param(f"text\n\n{LINE * (MAX_SIGNATURES + 1)}".encode(), id="too-many-signatures"),
        pytest.param(f"{'x' * MAX_NOTE_BYTES}\n\n{LINE}".encode(), id="too-large"),
    ],
)
def test_refuses_what_is_not_a_note(note):
    with pytest.raises(MalformedNote):
        verify_note(note, [LOG.verifier])


def test_accepts_sixteen_large_signatures_and_passes_over_unknown_ones():
    unknown = [NoteSignature(f"witness.example/{n}", bytes(4), bytes([n]) * 5000).line for n in range(16)]
    note = sign_note(TEXT, [LOG]) + "".join(unknown).encode()
    assert len(parse_note(note).signatures) == 17
    assert [s.name for s in verify_note(note, [LOG.verifier]).signatures] == [LOG.verifier.name]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(NoteSignature(LOG.verifier.name, bytes(4), bytes(64)).line, id="same-name-other-id"),
        pytest.param(NoteSignature("someone.example", LOG.verifier.key_id, bytes(64)).line, id="same-id-other-name"),
    ],
)
def test_a_line_sharing_only_name_or_id_with_a_known_key_is_unknown(line):
    note = sign_note(TEXT, [LOG]) + line.encode()
    assert len(verify_note(note, [LOG.verifier]).signatures) == 1
    with pytest.raises(NoTrustedSignature):
        verify_note(f"{TEXT}\n{line}".encode(), [LOG.verifier])


@pytest.mark.parametrize("length", [1, 63, 64, 65, 72])
def test_one_failing_line_of_a_known_key_refuses_the_whole_note(length):
    bad = NoteSignature(OTHER.verifier.name, OTHER.verifier.key_id, bytes(length)).line
    note = sign_note(TEXT, [LOG]) + bad.encode()
    assert verify_note(note, [LOG.verifier]).text == TEXT
    with pytest.raises(InvalidSignature):
        verify_note(note, [LOG.verifier, OTHER.verifier])


def test_a_second_failing_line_of_the_same_key_refuses_the_note():
    good = sign_note(TEXT, [LOG])
    bad = NoteSignature(LOG.verifier.name, LOG.verifier.key_id, bytes(64)).line
    with pytest.raises(InvalidSignature):
        verify_note(good + bad.encode(), [LOG.verifier])


def test_a_repeated_line_counts_once():
    note = sign_note(TEXT, [LOG, LOG])
    assert len(parse_note(note).signatures) == 2
    assert len(verify_note(note, [LOG.verifier, LOG.verifier]).signatures) == 1


def test_a_signature_of_another_text_is_refused():
    note = sign_note("other\n", [LOG]).replace(b"other", b"text")
    with pytest.raises(InvalidSignature):
        verify_note(note, [LOG.verifier])


def test_two_keys_with_the_same_name_and_id_are_refused():
    clash = replace(LOG.verifier, public_key=OTHER.verifier.public_key)
    object.__setattr__(clash, "key_id", LOG.verifier.key_id)
    with pytest.raises(AmbiguousKeyError):
        verify_note(sign_note(TEXT, [LOG]), [LOG.verifier, clash])


def test_no_known_keys_means_no_trust():
    with pytest.raises(NoTrustedSignature):
        verify_note(sign_note(TEXT, [LOG]), [])


@pytest.mark.parametrize(
    ("text", "signers"),
    [
        pytest.param("no newline", [LOG], id="no-newline"),
        pytest.param("", [LOG], id="empty"),
        pytest.param("a\tb\n", [LOG], id="control-character"),
        pytest.param("a\ud800\n", [LOG], id="surrogate"),
        pytest.param("text\n", [], id="no-signer"),
    ],
)
def test_refuses_to_sign_what_nobody_could_read(text, signers):
    with pytest.raises(ValueError):
        sign_note(text, signers)


VKEY = LOG.verifier.vkey


@pytest.mark.parametrize(
    "vkey",
    [
        pytest.param("", id="empty"),
        pytest.param("name", id="name-only"),
        pytest.param(VKEY + "\n", id="trailing-newline"),
        pytest.param(VKEY[1:], id="another-name"),
        pytest.param("+" + VKEY.split("+", 1)[1], id="no-name"),
        pytest.param(VKEY.replace("log", "l g"), id="space-in-the-name"),
        pytest.param(VKEY.replace("log", "l\x01g"), id="control-character-in-the-name"),
        pytest.param(VKEY.replace("log", "l\ud800g"), id="surrogate-in-the-name"),
        pytest.param(VKEY.replace(LOG.verifier.key_id.hex(), "00000000"), id="another-id"),
        pytest.param(VKEY.replace(LOG.verifier.key_id.hex(), LOG.verifier.key_id.hex().upper()), id="capital-hex"),
        pytest.param(VKEY.replace(LOG.verifier.key_id.hex(), "0" + LOG.verifier.key_id.hex()), id="nine-digits"),
        pytest.param(VKEY[:-4], id="short-key"),
        pytest.param(VKEY.rsplit("+", 1)[0] + "+", id="no-key"),
        pytest.param(VKEY + "é", id="not-ascii"),
        pytest.param("name+00000000+" + b64encode(b"\x07" + bytes(32)).decode(), id="unknown-type"),
        pytest.param("name+00000000+" + b64encode(b"\x06" + bytes(1312)).decode(), id="ml-dsa"),
    ],
)
def test_refuses_a_malformed_verifier_key(vkey):
    with pytest.raises(MalformedKeyError):
        Verifier.from_vkey(vkey)


def test_the_capital_hex_case_differs_from_the_key():
    assert LOG.verifier.key_id.hex() != LOG.verifier.key_id.hex().upper()


SKEY = LOG.export_skey()
SECRET = SKEY.rsplit("+", 1)[1]


def flawed_skeys() -> list[Any]:
    cosigner = replace(LOG.verifier, key_type=KeyType.COSIGNATURE)
    encoded = b64encode(b"\x04" + bytes(range(32))).decode()
    cosigner_skey = f"PRIVATE+KEY+{cosigner.name}+{cosigner.key_id.hex()}+{encoded}"
    return [
        pytest.param("", id="empty"),
        pytest.param(VKEY, id="verifier-key"),
        pytest.param(SKEY.removeprefix("PRIVATE+KEY+"), id="prefix-missing"),
        pytest.param(SKEY.replace("PRIVATE", "private"), id="lower-case-prefix"),
        pytest.param(SKEY.replace("log", "lag"), id="another-name"),
        pytest.param(SKEY.replace("log", "l\ud800g"), id="surrogate-in-the-name"),
        pytest.param(SKEY.replace(LOG.verifier.key_id.hex(), "00000000"), id="another-id"),
        pytest.param(SKEY[:-4], id="short-seed"),
        pytest.param(SKEY + "\n", id="trailing-newline"),
        pytest.param(cosigner_skey, id="cosigner-key"),
        pytest.param(
            cosigner_skey.replace(cosigner.key_id.hex(), LOG.verifier.key_id.hex()), id="cosigner-key-under-a-plain-id"
        ),
    ]


@pytest.mark.parametrize("skey", flawed_skeys())
def test_refuses_a_malformed_signer_key_without_repeating_it(skey):
    with pytest.raises(MalformedKeyError) as refused:
        Signer.from_skey(skey)
    chain: BaseException | None = refused.value
    while chain is not None:
        assert SECRET[:10] not in f"{chain!r} {chain.args} {vars(chain)}"
        chain = chain.__cause__ or chain.__context__


def test_a_malformed_key_is_a_matter_of_configuration():
    assert issubclass(MalformedKeyError, ConfigurationError)


def test_a_signer_never_shows_its_key():
    assert repr(LOG) == f"Signer('log.example/audit', key_id={LOG.verifier.key_id.hex()})"
    shown = f"{LOG!r} {LOG} {LOG.verifier!r} {[LOG]}"
    assert SECRET not in shown
    assert bytes(range(32)).hex() not in shown
    assert repr(bytes(range(32)))[2:20] not in shown


def test_refuses_a_seed_of_another_length():
    with pytest.raises(MalformedKeyError):
        Signer("log.example", bytes(31))
    with pytest.raises(MalformedKeyError):
        Verifier("log.example", bytes(33))
