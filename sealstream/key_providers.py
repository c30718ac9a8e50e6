"""Opens the keyring of a vault or an HSM from the settings. The file keyring is sealstream.wiring's."""

from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from agents.platform.identity import Keyring
from schemas.errors import ConfigurationError
from sealstream.settings import Settings
from security.openbao_client import AppRole, OpenBaoAccess, OpenBaoClient, TokenFile
from security.openbao_keyring import OpenBaoKeyring
from security.pkcs11_keyring import Pkcs11Keyring
from security.pkcs11_token import Pkcs11Access, Pkcs11Token

T = TypeVar("T", str, Path)


def provider_keyring(settings: Settings) -> Keyring:
    """The keyring that `SEALSTREAM_KEY_PROVIDER` names; it asks its server when it is first used.

    Raises:
        ConfigurationError: A setting is missing, or a file that one names can't be used.
    """
    if settings.key_provider == "openbao":
        return OpenBaoKeyring(OpenBaoClient(_openbao(settings)))
    access = Pkcs11Access(
        _needed(settings.pkcs11_module, "SEALSTREAM_PKCS11_MODULE"),
        _needed(settings.pkcs11_token, "SEALSTREAM_PKCS11_TOKEN"),
        _needed(settings.pkcs11_pin_file, "SEALSTREAM_PKCS11_PIN_FILE"),
    )
    return Pkcs11Keyring(_token(access))


def _openbao(settings: Settings) -> OpenBaoAccess:
    login: TokenFile | AppRole
    if settings.openbao_role_id is None:
        login = TokenFile(_needed(settings.openbao_token_file, "SEALSTREAM_OPENBAO_TOKEN_FILE or …_ROLE_ID"))
    elif settings.openbao_token_file is not None:
        raise ConfigurationError("SEALSTREAM_OPENBAO_TOKEN_FILE and …_ROLE_ID are two ways in; set one of them")
    else:
        secret_id = _needed(settings.openbao_secret_id_file, "SEALSTREAM_OPENBAO_SECRET_ID_FILE")
        login = AppRole(settings.openbao_role_id, secret_id)
    address = _needed(settings.openbao_address, "SEALSTREAM_OPENBAO_ADDRESS")
    return OpenBaoAccess(address, login, settings.openbao_mount, settings.openbao_ca_file)


@lru_cache
def _token(access: Pkcs11Access) -> Pkcs11Token:
    # Whoever logs in does so for the process: there is one for each token.
    return Pkcs11Token(access)


def _needed(value: T | None, setting: str) -> T:
    if value is None:
        raise ConfigurationError(f"the key provider needs {setting}; see docs/keys.md")
    return value
