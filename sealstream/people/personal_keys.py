"""The private key that somebody acts with: a file, or a key in a token of their own (PKCS#11)."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from schemas.errors import ConfigurationError
from security.key_files import load_signer
from security.signing import Signer

if TYPE_CHECKING:
    from security.pkcs11_token import Pkcs11Access

_SCHEME = "pkcs11:"
_FORM = "pkcs11:token=LABEL;object=LABEL?module-path=/path/to/module.so&pin-source=file:/path/to/pin"


def open_personal_signer(place: str) -> Signer:
    """What signs with somebody's key.

    Args:
        place: A private key file (JWK, mode 0600), or a PKCS#11 URI (RFC 7512) of a key pair. The PIN is in a file of
            mode 0600, never in the URI, which other users of the machine may see.

    Raises:
        ConfigurationError: The key can't be read, or is open to others; the URI lacks something; the token has no such
            pair.
        InvalidKeyError: It is not a private JWK that we can use.
        Unavailable: The token is not there.
    """
    if not place.startswith(_SCHEME):
        return load_signer(Path(place))
    from security.pkcs11_signer import Pkcs11Signer
    from security.pkcs11_token import Pkcs11Token

    access, label = _parsed(place.removeprefix(_SCHEME))
    return Pkcs11Signer(Pkcs11Token(access), label, label)


def _parsed(text: str) -> "tuple[Pkcs11Access, str]":
    from security.pkcs11_token import Pkcs11Access

    path, _, query = text.partition("?")
    found = {name: unquote(value) for name, _, value in (each.partition("=") for each in path.split(";"))}
    found |= dict(parse_qsl(query))
    if "pin-value" in found:
        raise ConfigurationError("a PIN does not belong into a URI: name its file as pin-source")
    missing = [name for name in ("token", "object", "module-path", "pin-source") if not found.get(name)]
    if missing:
        raise ConfigurationError(f"the PKCS#11 URI lacks {', '.join(missing)}; it has the form {_FORM}")
    pin_file = Path(found["pin-source"].removeprefix("file://").removeprefix("file:"))
    return Pkcs11Access(Path(found["module-path"]), found["token"], pin_file), found["object"]
