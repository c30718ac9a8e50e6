"""A token of a PKCS#11 module (an HSM): one session, opened when first needed and again when it is lost.

Which keys lie in it is security.pkcs11_keyring's and security.pkcs11_signer's business.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from schemas.errors import ConfigurationError, Unavailable
from security.libcrypto import forget_errors
from security.secret_file import read_secret

if TYPE_CHECKING:  # an optional extra
    import pkcs11

T = TypeVar("T")
_PIN_FAULTS: Final = ("PinIncorrect", "PinInvalid", "PinLenRange", "PinLocked", "PinExpired", "UserPinNotInitialized")


@dataclass(frozen=True, slots=True)
class Pkcs11Access:
    """Which token, and how we log in.

    Attributes:
        module: The vendor's shared library.
        token: The token's label.
        pin_file: Holds the user PIN.
    """

    module: Path
    token: str
    pin_file: Path


class Pkcs11Token:
    """One token, safe to use from several threads: one of them at a time.

    Whoever logs in or out does so for the whole process: a process has one of these for each token.

    Raises:
        ConfigurationError: The library is not installed, or the module can't be loaded.
    """

    def __init__(self, access: Pkcs11Access) -> None:
        try:
            import pkcs11
        except ImportError as exc:
            raise ConfigurationError("PKCS#11 needs `pip install sealstream[pkcs11]`") from exc
        self._access = access
        self._lock = threading.Lock()
        self._session: pkcs11.Session | None = None
        self._stale = False
        try:
            self._module = pkcs11.lib(str(access.module))
        except (pkcs11.PKCS11Error, RuntimeError) as exc:
            raise ConfigurationError(
                f"SEALSTREAM_PKCS11_MODULE {access.module} can't be loaded; give the shared library of the HSM's vendor"
            ) from exc

    def __repr__(self) -> str:
        return f"Pkcs11Token({str(self._access.module)!r}, {self._access.token!r})"

    @property
    def label(self) -> str:
        """The token's label."""
        return self._access.token

    def run(self, work: Callable[["pkcs11.Session"], T]) -> T:
        """Do something in a session, once more in a new one when it fails.

        Raises:
            Unavailable: It fails in a new session too, or there is none.
            ConfigurationError: The PIN is wrong; it is not tried again, or the token would be locked.
        """
        with self._lock:
            try:
                return self._run(work)
            finally:
                forget_errors()  # of a module that shares OpenSSL with us

    def _run(self, work: Callable[["pkcs11.Session"], T]) -> T:
        from pkcs11 import PKCS11Error

        if self._session is not None:
            try:
                return work(self._session)
            except PKCS11Error:
                self._close()
        session = self._open()
        try:
            return work(session)
        except PKCS11Error as exc:
            self._close()
            self._stale = True
            raise Unavailable(f"the key provider, token {self.label!r}, fails ({type(exc).__name__})") from exc

    def _open(self) -> "pkcs11.Session":
        from pkcs11 import PKCS11Error, UserAlreadyLoggedIn

        pin = read_secret(self._access.pin_file, "SEALSTREAM_PKCS11_PIN_FILE")
        try:
            if self._stale:
                # A module that lost its HSM may only find it again from the beginning.
                self._module.reinitialize()
            token = self._module.get_token(token_label=self.label)
            try:
                self._session = token.open(rw=True, user_pin=pin)
            except UserAlreadyLoggedIn:
                # Somebody else in this process has logged in, which counts for all of its sessions.
                self._session = token.open(rw=True)
        except PKCS11Error as exc:
            self._stale = True
            name = type(exc).__name__
            if name in _PIN_FAULTS:
                raise ConfigurationError(
                    f"token {self.label!r} refuses the PIN in SEALSTREAM_PKCS11_PIN_FILE ({name})"
                ) from exc
            raise Unavailable(
                f"the key provider, token {self.label!r}, is not there ({name}); check the HSM and "
                "SEALSTREAM_PKCS11_TOKEN"
            ) from exc
        self._stale = False
        return self._session

    def _close(self) -> None:
        from pkcs11 import PKCS11Error

        session, self._session = self._session, None
        if session is not None:
            try:
                session.close()
            except PKCS11Error:
                self._stale = True
