"""The system's OpenSSL 3 through ctypes, for the one thing the wheels we use can't do: SM2.

`cryptography` brings an OpenSSL of its own that is built without SM2 and can't be reached from here. Debian's, Ubuntu's
and openEuler's libcrypto has SM2; Red Hat's is built without. Nothing is loaded until a key needs it.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Final

from schemas.errors import ConfigurationError

LIBRARY: Final = "libcrypto.so.3"

_POINTER = ctypes.c_void_p
_SIGNATURES: Final = {
    "d2i_PUBKEY": (_POINTER, _POINTER, _POINTER, ctypes.c_long),
    "d2i_AutoPrivateKey": (_POINTER, _POINTER, _POINTER, ctypes.c_long),
    "i2d_PUBKEY": (ctypes.c_int, _POINTER, _POINTER),
    "EVP_PKEY_free": (None, _POINTER),
    "EVP_PKEY_CTX_new": (_POINTER, _POINTER, _POINTER),
    "EVP_PKEY_CTX_free": (None, _POINTER),
    "EVP_PKEY_CTX_set1_id": (ctypes.c_int, _POINTER, ctypes.c_char_p, ctypes.c_int),
    "EVP_MD_CTX_new": (_POINTER,),
    "EVP_MD_CTX_free": (None, _POINTER),
    "EVP_MD_CTX_set_pkey_ctx": (None, _POINTER, _POINTER),
    "EVP_sm3": (_POINTER,),
    "EVP_DigestVerifyInit": (ctypes.c_int, _POINTER, _POINTER, _POINTER, _POINTER, _POINTER),
    "EVP_DigestVerify": (
        ctypes.c_int, _POINTER, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t,
    ),
    "EVP_DigestSignInit": (ctypes.c_int, _POINTER, _POINTER, _POINTER, _POINTER, _POINTER),
    "EVP_DigestSign": (
        ctypes.c_int, _POINTER, ctypes.c_char_p, ctypes.POINTER(ctypes.c_size_t), ctypes.c_char_p, ctypes.c_size_t,
    ),
    "ERR_clear_error": (None,),
}  # fmt: skip


def forget_errors() -> None:
    """Clear what others left in OpenSSL's error queue of this thread, where Python's own TLS would find it."""
    with suppress(OSError):
        ctypes.CDLL(LIBRARY).ERR_clear_error()


class LibcryptoMissing(ConfigurationError):
    """SM2 is asked for, and this machine has no OpenSSL that can do it."""

    def __init__(self, fact: str) -> None:
        super().__init__(
            f"SM2 needs the system's OpenSSL 3 with SM2 in it ({LIBRARY}; Debian and Ubuntu: package libssl3): {fact}"
        )


class LibcryptoError(Exception):
    """OpenSSL refused a call; whoever calls says what that means."""


class Key:
    """An SM2 key that OpenSSL holds; freed with this object.

    Args:
        library: From `load`.
        encoded: A SubjectPublicKeyInfo, or a PKCS #8 private key.
        private: Which of the two.

    Raises:
        LibcryptoError: OpenSSL takes no such key.
    """

    def __init__(self, library: ctypes.CDLL, encoded: bytes, *, private: bool) -> None:
        self._library = library
        self._free = library.EVP_PKEY_free
        text = ctypes.c_char_p(encoded)
        read = library.d2i_AutoPrivateKey if private else library.d2i_PUBKEY
        self._key = read(None, ctypes.byref(text), len(encoded))
        if not self._key:
            library.ERR_clear_error()
            raise LibcryptoError

    def __del__(self) -> None:
        if getattr(self, "_key", None):
            self._free(self._key)

    def public_info(self) -> bytes:
        """The SubjectPublicKeyInfo."""
        library = self._library
        buffer = ctypes.create_string_buffer(max(library.i2d_PUBKEY(self._key, None), 1))
        end = ctypes.c_void_p(ctypes.addressof(buffer))
        if library.i2d_PUBKEY(self._key, ctypes.byref(end)) <= 0:
            raise LibcryptoError
        return buffer.raw

    def verifies(self, message: bytes, der: bytes, signer_id: bytes) -> bool:
        """Whether a signature (DER) over SM3 of the signer's Z and the message holds."""
        library = self._library
        with self._context(signer_id) as (context, digest):
            if library.EVP_DigestVerifyInit(context, None, digest, None, self._key) != 1:
                raise LibcryptoError
            holds: bool = library.EVP_DigestVerify(context, der, len(der), message, len(message)) == 1
        return holds

    def sign(self, message: bytes, signer_id: bytes) -> bytes:
        """The signature, DER."""
        library = self._library
        with self._context(signer_id) as (context, digest):
            if library.EVP_DigestSignInit(context, None, digest, None, self._key) != 1:
                raise LibcryptoError
            length = ctypes.c_size_t(0)
            if library.EVP_DigestSign(context, None, ctypes.byref(length), message, len(message)) != 1:
                raise LibcryptoError
            buffer = ctypes.create_string_buffer(length.value)
            if library.EVP_DigestSign(context, buffer, ctypes.byref(length), message, len(message)) != 1:
                raise LibcryptoError
            return buffer.raw[: length.value]

    @contextmanager
    def _context(self, signer_id: bytes) -> Iterator[tuple[int, int]]:
        """A digest context with the signer's ID, and SM3."""
        library = self._library
        context, key_context = library.EVP_MD_CTX_new(), library.EVP_PKEY_CTX_new(self._key, None)
        try:
            if library.EVP_PKEY_CTX_set1_id(key_context, signer_id, len(signer_id)) != 1:
                raise LibcryptoError
            library.EVP_MD_CTX_set_pkey_ctx(context, key_context)
            yield context, library.EVP_sm3()
        finally:
            library.EVP_MD_CTX_free(context)
            library.EVP_PKEY_CTX_free(key_context)
            # A failed check leaves an entry in this thread's queue of errors.
            library.ERR_clear_error()


@cache
def load() -> ctypes.CDLL:
    """The library, with the types of the functions used here.

    Raises:
        LibcryptoMissing: There is none, or it lacks a function.
    """
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as exc:
        raise LibcryptoMissing("it can't be loaded") from exc
    for name, (result, *arguments) in _SIGNATURES.items():
        try:
            function = getattr(library, name)
        except AttributeError as exc:
            raise LibcryptoMissing(f"this one has no {name}") from exc
        function.restype, function.argtypes = result, arguments
    return library
