"""Keys in a real OpenBao: what wraps, what opens, and what an operator reads when it does not."""

import itertools
import os
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from schemas.errors import ConfigurationError, Unavailable
from security.key_provider import KeyUnavailable, Scope, UnwrapFailed, WrappedKey
from security.openbao_client import AppRole, OpenBaoAccess, OpenBaoClient, TokenFile
from security.openbao_keyring import OpenBaoKeyring
from tests.support.certificates import Authority
from tests.support.openbao import OpenBao

KEY = bytes(range(32))
_numbers = itertools.count()


@pytest.fixture
def scope() -> Scope:
    """A scope that no other test uses: the server is the session's."""
    return Scope(f"bank-{os.getpid()}-{next(_numbers)}", "payments", 3)


@pytest.fixture
def ring(openbao: OpenBao) -> OpenBaoKeyring:
    return OpenBaoKeyring(openbao.client())


def name_of(scope: Scope) -> str:
    return f"kek.{scope.tenant}.payments.t3.e1"


def test_a_wrapped_key_opens_in_another_process(openbao: OpenBao, ring: OpenBaoKeyring, scope: Scope) -> None:
    wrapped = ring.wrap(scope, KEY)
    assert KEY not in wrapped.ciphertext
    assert wrapped.kek_id == ring.kek_id(scope)
    assert OpenBaoKeyring(openbao.client()).unwrap(scope, wrapped) == KEY


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda s: Scope(s.tenant + "x", s.domain, s.tier), id="tenant"),
        pytest.param(lambda s: Scope(s.tenant, "treasury", s.tier), id="domain"),
        pytest.param(lambda s: Scope(s.tenant, s.domain, 2), id="tier"),
        pytest.param(lambda s: Scope(s.tenant, s.domain, s.tier, 2), id="epoch"),
    ],
)
def test_a_wrapped_key_opens_in_its_own_scope_alone(ring: OpenBaoKeyring, scope: Scope, other: object) -> None:
    moved = other(scope)  # type: ignore[operator]
    wrapped = ring.wrap(scope, KEY)
    ring.wrap(moved, KEY)
    with pytest.raises(KeyUnavailable):
        ring.unwrap(moved, wrapped)
    with pytest.raises(UnwrapFailed):  # under the other's name too
        ring.unwrap(moved, WrappedKey(ring.kek_id(moved), wrapped.ciphertext))


def test_the_server_itself_checks_what_is_bound(openbao: OpenBao, ring: OpenBaoKeyring, scope: Scope) -> None:
    """The right Transit key and ciphertext under a forged id do not open."""
    wrapped = ring.wrap(scope, KEY)
    openbao.ask("POST", f"transit/keys/{name_of(scope)}/rotate")
    with pytest.raises(UnwrapFailed):
        ring.unwrap(scope, WrappedKey(ring.kek_id(scope), wrapped.ciphertext))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"vault:v1:", id="no ciphertext"),
        pytest.param(b"vault:v1:" + b"A" * 80, id="another ciphertext"),
        pytest.param(b"vault:v9:" + b"A" * 80, id="a version that is not there"),
        pytest.param(b"vault:v1:\xff\xfe", id="no text"),
        pytest.param(b'vault:v1:","x":"', id="json"),
        pytest.param(b"vault:v1:" + b"A" * 100_000, id="huge"),
    ],
)
def test_what_is_no_wrapped_key_is_refused(ring: OpenBaoKeyring, scope: Scope, content: bytes) -> None:
    with pytest.raises(UnwrapFailed):
        ring.unwrap(scope, WrappedKey(ring.kek_id(scope), content))


def test_flipped_bits_are_found(ring: OpenBaoKeyring, scope: Scope) -> None:
    wrapped = ring.wrap(scope, KEY)
    for place in range(len(wrapped.ciphertext)):
        broken = bytearray(wrapped.ciphertext)
        broken[place] ^= 1
        with pytest.raises(UnwrapFailed):
            ring.unwrap(scope, WrappedKey(wrapped.kek_id, bytes(broken)))


def test_after_a_rotation_the_former_version_still_opens_and_the_new_one_wraps(
    openbao: OpenBao, ring: OpenBaoKeyring, scope: Scope
) -> None:
    before = ring.wrap(scope, KEY)
    openbao.ask("POST", f"transit/keys/{name_of(scope)}/rotate")
    after = ring.wrap(scope, KEY)
    assert before.kek_id != after.kek_id
    assert after.ciphertext.startswith(b"vault:v2:")
    assert ring.unwrap(scope, before) == ring.unwrap(scope, after) == KEY


def test_a_destroyed_key_stays_gone_and_its_successor_has_another_id(
    openbao: OpenBao, ring: OpenBaoKeyring, scope: Scope
) -> None:
    wrapped = ring.wrap(scope, KEY)
    openbao.ask("POST", f"transit/keys/{name_of(scope)}/config", {"deletion_allowed": True})
    openbao.ask("DELETE", f"transit/keys/{name_of(scope)}")
    with pytest.raises(KeyUnavailable):
        ring.unwrap(scope, wrapped)
    with pytest.raises(KeyUnavailable):  # unwrap made none
        ring.unwrap(scope, wrapped)
    time.sleep(1.1)  # Transit tells the second in which a key was made
    assert ring.kek_id(scope) != wrapped.kek_id
    with pytest.raises(KeyUnavailable):
        ring.unwrap(scope, wrapped)


def test_index_keys_and_seeds_are_the_same_everywhere_and_all_different(openbao: OpenBao, scope: Scope) -> None:
    one, other = OpenBaoKeyring(openbao.client()), OpenBaoKeyring(openbao.client())
    secrets = [
        (ring.index_key(scope.tenant, "name"), ring.index_key(scope.tenant, "account"), ring.signing_seed(scope.tenant))
        for ring in (one, other)
    ]
    assert secrets[0] == secrets[1]
    assert len({*secrets[0], one.index_key(scope.tenant + "x", "name")}) == 4
    openbao.ask("POST", f"transit/keys/index.{scope.tenant}.name/rotate")
    assert OpenBaoKeyring(openbao.client()).index_key(scope.tenant, "name") == secrets[0][0]


def test_an_exportable_key_is_not_used(openbao: OpenBao, ring: OpenBaoKeyring, scope: Scope) -> None:
    openbao.ask("POST", f"transit/keys/{name_of(scope)}", {"type": "aes256-gcm96", "exportable": True})
    with pytest.raises(ConfigurationError, match="not exportable"):
        ring.wrap(scope, KEY)


POLICY_OF_TIER_2 = """
path "transit/keys/kek.{tenant}.payments.t2.*" {{ capabilities = ["read"] }}
path "transit/decrypt/kek.{tenant}.payments.t2.*" {{ capabilities = ["update"] }}
"""


def test_a_policy_opens_one_tier_of_one_domain_and_no_other(
    openbao: OpenBao, ring: OpenBaoKeyring, scope: Scope
) -> None:
    below = Scope(scope.tenant, scope.domain, 2)
    wrapped_3, wrapped_2 = ring.wrap(scope, KEY), ring.wrap(below, KEY)
    narrow = OpenBaoKeyring(openbao.client(openbao.token(POLICY_OF_TIER_2.format(tenant=scope.tenant))))
    assert narrow.unwrap(below, wrapped_2) == KEY
    with pytest.raises(ConfigurationError, match=r"does not let our token write transit/decrypt/kek\..*\.t3\.e1"):
        narrow.unwrap(scope, wrapped_3)


def test_a_token_that_something_else_renews_is_read_again(openbao: OpenBao, scope: Scope) -> None:
    token = openbao.token('path "transit/*" { capabilities = ["read", "create", "update"] }')
    ring = OpenBaoKeyring(openbao.client(token))
    wrapped = ring.wrap(scope, KEY)
    openbao.ask("POST", "auth/token/revoke", {"token": token.read_text().strip()})
    with pytest.raises(ConfigurationError, match="the token has ended"):
        ring.unwrap(scope, wrapped)
    token.write_text(openbao.token().read_text())
    assert ring.unwrap(scope, wrapped) == KEY


def test_an_approle_logs_in_again_when_its_token_ends(openbao: OpenBao, scope: Scope, tmp_path: Path) -> None:
    openbao.ask("POST", "sys/auth/approle", {"type": "approle"})
    policy = 'path "transit/*" { capabilities = ["read", "create", "update"] }'
    openbao.ask("PUT", "sys/policies/acl/intake", {"policy": policy})
    openbao.ask("POST", "auth/approle/role/intake", {"token_policies": ["intake"], "token_num_uses": 4})
    role = openbao.ask("GET", "auth/approle/role/intake/role-id")["data"]["role_id"]
    secret = tmp_path / "secret-id"
    secret.touch(mode=0o600)
    secret.write_text(openbao.ask("POST", "auth/approle/role/intake/secret-id")["data"]["secret_id"])
    ring = OpenBaoKeyring(OpenBaoClient(OpenBaoAccess(openbao.address, AppRole(role, secret), ca_file=openbao.ca_file)))
    for _ in range(4):  # more uses than one token has
        assert ring.unwrap(scope, ring.wrap(scope, KEY)) == KEY
    secret.write_text("wrong")
    stranger = OpenBaoClient(OpenBaoAccess(openbao.address, AppRole(role, secret), ca_file=openbao.ca_file))
    with pytest.raises(ConfigurationError, match="refuses our AppRole login"):
        OpenBaoKeyring(stranger).kek_id(scope)


def test_a_server_under_another_authority_is_refused(openbao: OpenBao, scope: Scope, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "stranger")
    access = OpenBaoAccess(openbao.address, TokenFile(openbao.token()), ca_file=stranger.file)
    with pytest.raises(ConfigurationError, match="SEALSTREAM_OPENBAO_CA_FILE"):
        OpenBaoKeyring(OpenBaoClient(access)).kek_id(scope)


def test_another_mount_is_named(openbao: OpenBao, scope: Scope) -> None:
    with pytest.raises(ConfigurationError, match="no Transit engine at 'elsewhere'"):
        OpenBaoKeyring(OpenBaoClient(openbao.access(mount="elsewhere"))).kek_id(scope)


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_token_that_others_can_read_is_refused(openbao: OpenBao, scope: Scope, mode: int) -> None:
    token = openbao.token()
    token.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        OpenBaoKeyring(openbao.client(token)).kek_id(scope)


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[tuple[str, Path, list[tuple[int, bytes]]]]:
    """Something at an address with TLS that gives the answers it is told to, the last one for ever."""
    answers: list[tuple[int, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers[0] if len(answers) == 1 else answers.pop(0)
            self.send_response(status)
            self.send_header("Location", "https://example.org/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    authority = Authority(tmp_path / "authority")
    shown = authority.sign("fake", hosts=("127.0.0.1",))
    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}", authority.file, answers
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(503, b'{"errors":["Vault is sealed"]}', id="sealed"),
        pytest.param(429, b"{}", id="limited"),
        pytest.param(307, b"", id="a standby"),
        pytest.param(502, b"<html>", id="a proxy alone"),
        pytest.param(200, b"<html>hello</html>", id="no JSON"),
        pytest.param(200, b'{"data":{"type":5}}', id="another shape"),
        pytest.param(200, b"\xff\xfe", id="no text"),
    ],
)
def test_what_no_working_server_answers_is_waited_for(
    openbao: OpenBao, scope: Scope, answering: tuple[str, Path, list[tuple[int, bytes]]], status: int, body: bytes
) -> None:
    address, ca_file, answers = answering
    answers[:] = [(status, body)]
    token = openbao.token()
    with pytest.raises(Unavailable) as caught:
        OpenBaoKeyring(OpenBaoClient(OpenBaoAccess(address, TokenFile(token), ca_file=ca_file))).kek_id(scope)
    assert token.read_text().strip() not in str(caught.value)


def test_nobody_at_the_address_is_waited_for(openbao: OpenBao, scope: Scope) -> None:
    access = OpenBaoAccess("https://127.0.0.1:9", TokenFile(openbao.token()), ca_file=openbao.ca_file)
    with pytest.raises(Unavailable, match="does not answer"):
        OpenBaoKeyring(OpenBaoClient(access)).kek_id(scope)


def test_no_repr_and_no_error_shows_a_secret(openbao: OpenBao, ring: OpenBaoKeyring, scope: Scope) -> None:
    token = openbao.token()
    keyring = OpenBaoKeyring(openbao.client(token))
    wrapped = keyring.wrap(scope, KEY)
    seed = keyring.signing_seed("log-bank-a")
    shown = repr(keyring) + repr(wrapped)
    assert token.read_text().strip() not in shown
    assert repr(seed)[2:-1] not in shown


def test_long_names_are_names_for_the_server_too(ring: OpenBaoKeyring) -> None:
    assert ring.signing_seed("中" * 300) != ring.signing_seed("中" * 301)
