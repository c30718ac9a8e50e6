import json

import pytest

from security.cosignature import Cosigner, cosignature_time
from security.note import InvalidSignature, KeyType, MalformedKeyError, NoteSignature, Signer, verify_note
from tests.shared_data import shared


def own() -> dict[str, str]:
    vectors: dict[str, str] = json.loads(shared("standards/vectors/cosignature.json").read_text())["own"]
    return vectors


def witness() -> Cosigner:
    return Cosigner("witness.test.example/w1", bytes(range(32)))


def test_the_vector_s_line_is_reproduced():
    vectors = own()
    text, _, lines = vectors["checkpoint"].rpartition("\n\n")
    line = witness().cosign(f"{text}\n", vectors["timestamp"])  # type: ignore[arg-type]
    assert line.line in lines
    assert cosignature_time(line) == vectors["timestamp"]
    assert witness().verifier.vkey == vectors["witnessVkey04"]


def test_a_line_is_over_its_time_too():
    line = witness().cosign("log\n1\nAAAA\n", 1_700_000_000)
    note = "log\n1\nAAAA\n\n"
    assert verify_note((note + line.line).encode(), [witness().verifier]).signatures == (line,)
    later = NoteSignature(line.name, line.key_id, (1_700_000_001).to_bytes(8, "big") + line.signature[8:])
    with pytest.raises(InvalidSignature):
        verify_note((note + later.line).encode(), [witness().verifier])


def test_a_key_survives_its_text():
    again = Cosigner.from_skey(witness().export_skey())
    assert again.verifier == witness().verifier
    assert again.cosign("x\n", 5) == witness().cosign("x\n", 5)
    assert again.verifier.key_type is KeyType.COSIGNATURE
    assert witness().export_skey() not in repr(again)


@pytest.mark.parametrize(
    "skey",
    [
        pytest.param("", id="empty"),
        pytest.param("PRIVATE+KEY+w+00000000", id="short"),
        pytest.param(Signer("w", bytes(32)).export_skey(), id="a log's key"),
        pytest.param(witness().export_skey().replace("w1", "w2"), id="another name"),
        pytest.param(witness().export_skey()[:-4], id="cut off"),
    ],
)
def test_a_key_that_does_not_hold_together_is_refused_without_being_repeated(skey):
    with pytest.raises(MalformedKeyError) as refused:
        Cosigner.from_skey(skey)
    assert not skey or skey[-20:] not in str(refused.value)
