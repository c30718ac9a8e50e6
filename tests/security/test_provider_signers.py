"""Signers whose keys are in a real OpenBao or token: what they sign is what our verifiers and envelopes take."""

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType
from pkcs11.util.ec import encode_named_curve_parameters

from schemas.errors import ConfigurationError
from security.algorithms import BadSignature
from security.jwk import Jwk
from security.openbao_signer import OpenBaoSigner
from security.pkcs11_signer import Pkcs11Signer
from security.signatures import Algorithm, verifier
from security.signing import Signer, signed_envelope
from tests.support.openbao import OpenBao
from tests.support.softhsm import SoftHsm

MESSAGE = b"what a producer says"


@pytest.fixture(scope="module")
def transit_keys(openbao: OpenBao) -> OpenBao:
    for kind in ("ed25519", "ecdsa-p256", "ecdsa-p384"):
        openbao.ask("POST", f"transit/keys/signer-{kind}", {"type": kind})
    return openbao


@pytest.fixture(scope="module")
def token_keys(softhsm: SoftHsm) -> SoftHsm:
    def make(session: pkcs11.Session) -> None:
        own = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
        for label, curve in (("signer-p256", "secp256r1"), ("signer-p384", "secp384r1")):
            parameters = session.create_domain_parameters(
                KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}, local=True
            )
            parameters.generate_keypair(store=True, label=label, private_template=own)
        session.generate_keypair(KeyType.RSA, 2048, store=True, label="signer-rsa", private_template=own)

    softhsm.token.run(make)
    return softhsm


@pytest.fixture(
    params=[
        ("openbao", "signer-ed25519", Algorithm.ED25519),
        ("openbao", "signer-ecdsa-p256", Algorithm.ES256),
        ("pkcs11", "signer-p256", Algorithm.ES256),
        ("pkcs11", "signer-rsa", Algorithm.PS256),
    ],
    ids=lambda param: f"{param[0]}-{param[1]}",
)
def signer(request: pytest.FixtureRequest) -> Signer:
    provider, name, algorithm = request.param
    found: Signer
    if provider == "openbao":
        found = OpenBaoSigner(request.getfixturevalue("transit_keys").client(), "bank-1", name)
    else:
        found = Pkcs11Signer(request.getfixturevalue("token_keys").token, "bank-1", name)
    assert found.algorithm is algorithm
    return found


def test_our_verifier_takes_what_it_signs_and_nothing_else(signer: Signer) -> None:
    verify = verifier(signer.jwk)
    for length in (0, 1, 31, 32, 33, 5000):  # among ECDSA's numbers there are ones with leading zeros
        signature = signer.sign(MESSAGE * length)
        verify(MESSAGE * length, signature)
        with pytest.raises(BadSignature):
            verify(MESSAGE * length + b"!", signature)


def test_it_signs_envelopes_under_its_registered_name(signer: Signer) -> None:
    assert signer.jwk == Jwk(signer.public_key, signer.algorithm, "bank-1")
    envelope = signed_envelope("text/plain", MESSAGE, [signer])
    assert envelope.signatures[0].key_id == "bank-1"


def test_after_a_rotation_it_signs_with_the_version_that_is_registered(transit_keys: OpenBao) -> None:
    transit_keys.ask("POST", "transit/keys/signer-rotated", {"type": "ed25519"})
    signer = OpenBaoSigner(transit_keys.client(), "bank-1", "signer-rotated")
    transit_keys.ask("POST", "transit/keys/signer-rotated/rotate")
    verifier(signer.jwk)(MESSAGE, signer.sign(MESSAGE))


@pytest.mark.parametrize("name", ["signer-ecdsa-p384", "absent", "a/b", "../x", ""])
def test_a_transit_key_that_cannot_sign_for_us_is_refused(transit_keys: OpenBao, name: str) -> None:
    with pytest.raises(ConfigurationError):
        OpenBaoSigner(transit_keys.client(), "bank-1", name)


@pytest.mark.parametrize("label", ["signer-p384", "absent"])
def test_a_pair_that_cannot_sign_for_us_is_refused(token_keys: SoftHsm, label: str) -> None:
    with pytest.raises(ConfigurationError):
        Pkcs11Signer(token_keys.token, "bank-1", label)
