"""An issuer of our own for `sealstream up` and tests: anybody who can reach it is whom they say. Not for production.

Whether it may be used at all is decided by whoever makes one.
"""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Final

from joserfc import jws
from joserfc.jwk import OKPKey

from security.access.issuer import Issuer
from security.jwk import encode_base64url
from security.signing import Ed25519Signer

ALGORITHM: Final = "Ed25519"
LIFETIME: Final = dt.timedelta(hours=1)


class EmbeddedIssuer:
    """Issues access tokens (RFC 9068).

    Args:
        url: What it is called: `iss`.
        audience: For whom its tokens are.
        seed: Of its Ed25519 key, 32 secret bytes.
    """

    def __init__(self, url: str, audience: str, seed: bytes) -> None:
        signer = Ed25519Signer("embedded", seed)
        x = encode_base64url(signer.public_key.material)
        self.issuer = Issuer(url=url, audience=audience, algorithms=frozenset({ALGORITHM}), max_lifetime=LIFETIME)
        self._kid = signer.jwk.public_key.material[:6].hex()
        self._public: Mapping[str, str] = {"kty": "OKP", "crv": "Ed25519", "x": x}
        self._key = OKPKey.import_key({**self._public, "d": encode_base64url(seed)})

    def __repr__(self) -> str:
        return f"EmbeddedIssuer(url={self.issuer.url!r})"

    def jwks(self) -> bytes:
        """Its JWK Set."""
        return json.dumps({"keys": [{**self._public, "kid": self._kid, "alg": ALGORITHM, "use": "sig"}]}).encode()

    def token(self, subject: str, now: dt.datetime, certificate: str | None = None) -> str:
        """A token that says who somebody is.

        Args:
            certificate: Thumbprint of the client certificate that it is bound to (RFC 8705); None for a bearer token.
        """
        seconds = int(now.timestamp())
        claims: dict[str, object] = {
            "iss": self.issuer.url,
            "aud": self.issuer.audience,
            "sub": subject,
            "iat": seconds,
            "exp": seconds + int(LIFETIME.total_seconds()),
        }
        if certificate is not None:
            claims["cnf"] = {"x5t#S256": certificate}
        header = {"alg": ALGORITHM, "kid": self._kid, "typ": self.issuer.typ}
        return jws.serialize_compact(header, json.dumps(claims), self._key, [ALGORITHM])
