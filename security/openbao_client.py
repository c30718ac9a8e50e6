"""Talking to an OpenBao or HashiCorp Vault server: HTTP, TLS, tokens, and what its refusals mean.

What the Transit engine is asked is security.openbao_keyring's and security.openbao_signer's. Calls block: callers on an
event loop make them in threads.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import urllib3
from urllib3.exceptions import HTTPError, SSLError

from schemas.errors import ConfigurationError, SealstreamError, Unavailable
from security.secret_file import read_secret

CONNECT_SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 10.0
_MAX_ANSWER: Final = 1 << 20
_POOL: Final = 4

T = TypeVar("T")


class RefusedByVault(SealstreamError):
    """The server refuses what it was asked for (400); its words are not repeated, they may quote what it was sent."""


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A token that something else renews, an agent for example: read at the first call, and again when refused."""

    path: Path


@dataclass(frozen=True, slots=True)
class AppRole:
    """A role of the AppRole method: logs in at the first call, and again when its token has ended."""

    role_id: str
    secret_id_file: Path


@dataclass(frozen=True, slots=True)
class OpenBaoAccess:
    """Where the server is and how we get in.

    Attributes:
        address: As in `https://vault.example.org:8200`.
        mount: Path of the Transit engine.
        ca_file: PEM of whom we trust to name the server; None: the system's authorities.
    """

    address: str
    login: TokenFile | AppRole
    mount: str = "transit"
    ca_file: Path | None = None


_VERBS: Final = {"GET": "read", "POST": "write", "DELETE": "delete"}


class SecretAnswer(msgspec.Struct):
    """An answer that holds a secret, and does not show it."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class _Auth(SecretAnswer):
    client_token: str


class _Login(SecretAnswer):
    auth: _Auth


class _Health(msgspec.Struct):
    version: str


class _Answer(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")


class OpenBaoClient:
    """A client of one server, safe to use from several threads.

    Raises:
        ConfigurationError: The CA file can't be used.
    """

    def __init__(self, access: OpenBaoAccess) -> None:
        self._access = access
        self._base = access.address.rstrip("/") + "/v1/"
        try:
            context = ssl.create_default_context(cafile=access.ca_file)
        except (OSError, ssl.SSLError) as exc:
            raise ConfigurationError(f"SEALSTREAM_OPENBAO_CA_FILE {access.ca_file} is no usable PEM file") from exc
        self._http = urllib3.PoolManager(
            maxsize=_POOL,
            ssl_context=context,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS),
        )
        self._token: str | None = None

    def __repr__(self) -> str:
        return f"OpenBaoClient({self._access.address!r}, mount={self._access.mount!r})"

    @property
    def mount(self) -> str:
        """Path of the Transit engine."""
        return self._access.mount

    def version(self) -> str:
        """The server's version, once it has taken our token.

        Raises:
            Unavailable: It does not answer, is sealed or not initialised.
            ConfigurationError: It does not let us in.
        """
        version = _decoded(self._send("GET", "sys/health?standbyok=true", None, None)[1], _Health).version
        if self._send("GET", "auth/token/lookup-self", None, self._log_in())[0] != 200:
            raise ConfigurationError(f"{self._access.address} refuses our token; it has ended, or is another server's")
        return version

    def read(self, path: str, shape: type[T]) -> T | None:
        """The data at a path below the mount; None when there is nothing."""
        return self._ask("GET", path, None, shape)

    def write(self, path: str, body: dict[str, object], shape: type[T]) -> T:
        """What writing to a path below the mount answers.

        Raises:
            RefusedByVault: The server refuses the body.
        """
        answer = self._ask("POST", path, body, shape)
        if answer is None:
            raise ConfigurationError(
                f"{self._access.address} has no Transit engine at {self.mount!r}; enable it with `bao secrets enable "
                f"-path={self.mount} transit`, or set SEALSTREAM_OPENBAO_MOUNT"
            )
        return answer

    def delete(self, path: str) -> None:
        """Delete what is at a path below the mount.

        Raises:
            RefusedByVault: The server refuses, or there is nothing.
        """
        self._ask("DELETE", path, None, msgspec.Raw)

    def _ask(self, method: str, path: str, body: dict[str, object] | None, shape: type[T]) -> T | None:
        """Ask below the mount, with a fresh token when the one at hand is refused.

        Raises:
            ConfigurationError: The fresh one is refused too.
            Unavailable: No answer, or none that a working server gives.
        """
        where = f"{self.mount}/{path}"
        status, content = self._send(method, where, body, self._token or self._log_in())
        if status == 403:
            status, content = self._send(method, where, body, self._log_in())
        if status == 403:
            raise ConfigurationError(
                f"{self._access.address} does not let our token {_VERBS[method]} {where}: the "
                "token has ended, or its policy lacks the path; docs/keys.md lists what each role needs"
            )
        if status == 404:
            return None
        if status == 400:
            raise RefusedByVault(f"{self._access.address} refuses {where}; see its audit log")
        answer = _decoded(content or b"{}", _Answer)
        return _decoded(answer.data, shape)

    def _log_in(self) -> str:
        login = self._access.login
        if isinstance(login, TokenFile):
            self._token = read_secret(login.path, "SEALSTREAM_OPENBAO_TOKEN_FILE")
            return self._token
        secret_id = read_secret(login.secret_id_file, "SEALSTREAM_OPENBAO_SECRET_ID_FILE")
        body: dict[str, object] = {"role_id": login.role_id, "secret_id": secret_id}
        status, content = self._send("POST", "auth/approle/login", body, None)
        if status != 200:
            raise ConfigurationError(
                f"{self._access.address} refuses our AppRole login; check SEALSTREAM_OPENBAO_ROLE_ID, and whether "
                "the secret id has ended"
            )
        self._token = _decoded(content, _Login).auth.client_token
        return self._token

    def _send(self, method: str, path: str, body: dict[str, object] | None, token: str | None) -> tuple[int, bytes]:
        headers = {"X-Vault-Request": "true"} | ({} if token is None else {"X-Vault-Token": token})
        payload = None if body is None else msgspec.json.encode(body)
        try:
            answer = self._http.request(
                method, self._base + path, body=payload, headers=headers, redirect=False, preload_content=False
            )
            try:
                content = answer.read(_MAX_ANSWER)
            finally:
                answer.release_conn()
        except SSLError as exc:
            raise ConfigurationError(
                f"the certificate of {self._access.address} is not one we trust for that name; set "
                "SEALSTREAM_OPENBAO_CA_FILE to its authority"
            ) from exc
        except HTTPError as exc:
            raise Unavailable(
                f"the key provider {self._access.address} does not answer ({type(exc).__name__})"
            ) from exc
        if answer.status not in (200, 204, 400, 403, 404):
            # Sealed (503), limited (429), a standby that forwards nobody (307, 472, 473), a proxy's own words (502).
            raise Unavailable(
                f"the key provider {self._access.address} is not at work (HTTP {answer.status}): sealed, a standby, or "
                "overloaded; see `bao status`"
            )
        return answer.status, content


def _decoded(content: bytes | msgspec.Raw, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # Not chained: the library's text may quote what was answered.
        raise Unavailable(
            "the key provider gave no answer of the Transit engine; check SEALSTREAM_OPENBAO_ADDRESS"
        ) from None
