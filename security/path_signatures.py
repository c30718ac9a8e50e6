"""The signatures within a path of certificates, as pyhanko-certvalidator asks for them: SM2 ours, all others its own.

Of the extra `pki`, so security.certificate_chain imports it when it is needed.
"""

from asn1crypto.algos import SignedDigestAlgorithm
from asn1crypto.keys import PublicKeyInfo
from cryptography.exceptions import InvalidSignature
from pyhanko_certvalidator.sig_validate import (
    DEFAULT_VALIDATION_CONTEXT,
    DefaultSignatureValidator,
    SignatureValidationContext,
)

from security.algorithms import BadSignature
from security.sm2_certificate import SM2_WITH_SM3, inner_algorithm, read_sm2_key, see_signature


class AlgorithmMismatch(Exception):
    """A certificate's signature algorithm contradicts itself or its issuer's key; the text says which."""


class PathSignatures(DefaultSignatureValidator):
    """Verifies with an SM2 key what is signed by SM2 with SM3, and nothing else with either."""

    def validate_signature(
        self,
        signature: bytes,
        signed_data: bytes,
        public_key_info: PublicKeyInfo,
        signature_algorithm: SignedDigestAlgorithm,
        context: SignatureValidationContext = DEFAULT_VALIDATION_CONTEXT,
    ) -> None:
        """Verify the signature of a certificate with its issuer's key.

        Raises:
            InvalidSignature: It does not hold.
            AlgorithmMismatch: It names two algorithms, or one that is not its issuer's key's.
            LibcryptoMissing: The key is on SM2, and this machine's OpenSSL can't do it.
        """
        algorithm = signature_algorithm.dump()
        # The library looks at the outer one alone; RFC 5280, 4.1.1.2, wants them to be the same.
        if algorithm != inner_algorithm(signed_data):
            raise AlgorithmMismatch("it names one signature algorithm inside and another one outside")
        key = read_sm2_key(public_key_info.dump())
        if (key is not None) != (algorithm in SM2_WITH_SM3):
            raise AlgorithmMismatch("its signature algorithm is not one of its issuer's key")
        if key is None:
            super().validate_signature(signature, signed_data, public_key_info, signature_algorithm, context)
            return
        try:
            see_signature(signed_data, algorithm, signature, key)
        except BadSignature:
            raise InvalidSignature from None
