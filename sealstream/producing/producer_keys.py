"""Private halves of the producers' keys that are made here. Registering the public halves is agents.keys.registrar."""

import os
from pathlib import Path
from typing import Final

from agents.keys.registrar import check_key_name
from schemas.errors import ConfigurationError
from security.algorithms import DEFAULT_SIGNER_ID, Algorithm
from security.key_files import load_signer, new_private_jwk, save_private_jwk
from security.signing import Signer

PRODUCERS: Final = "producers"


def private_key_path(keyring: Path, name: str) -> Path:
    """Where the private half of a producer's key lies.

    Raises:
        ConfigurationError: The name can't be a key id here.
    """
    check_key_name(name)
    return keyring / PRODUCERS / f"{name}.jwk"


def load_producer(keyring: Path, name: str) -> Signer:
    """The signer of a producer's key that was generated here.

    Raises:
        ConfigurationError: There is no such key, or its file is open to others.
    """
    path = private_key_path(keyring, name)
    if not path.exists():
        raise ConfigurationError(f"no private key named {name!r} here; make one with `sealstream keys generate {name}`")
    return load_signer(path)


def make_private_key(
    keyring: Path, name: str, algorithm: Algorithm = Algorithm.ED25519, signer_id: str = DEFAULT_SIGNER_ID
) -> Signer:
    """Make a key pair and keep its private half.

    Args:
        keyring: Where it is kept.
        name: Of the key.
        algorithm: What it signs with.
        signer_id: The ID of an SM2 signer.

    Raises:
        ConfigurationError: The name is taken or the directory can't be written.
    """
    path = private_key_path(keyring, name)
    for directory in (keyring, path.parent):  # mkdir gives parents the default mode
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    save_private_jwk(path, new_private_jwk(name, algorithm, os.urandom, signer_id))
    return load_signer(path)


def private_key_for(
    keyring: Path, name: str, algorithm: Algorithm = Algorithm.ED25519, signer_id: str = DEFAULT_SIGNER_ID
) -> Signer:
    """The key pair to register: made now, or left here by an attempt that ended before the registry had it.

    Whether the name is registered already is the registry's to say. Arguments as `make_private_key`.

    Raises:
        ConfigurationError: As `make_private_key` and `load_producer`; a key of another kind is left here.
    """
    path = private_key_path(keyring, name)
    if not path.exists():
        return make_private_key(keyring, name, algorithm, signer_id)
    found = load_signer(path)
    if found.algorithm is not algorithm or (found.jwk.signer_id or signer_id) != signer_id:
        raise ConfigurationError(f"{path} holds a key of another algorithm or signer's ID; take another name")
    return found
