"""Apache Kafka as a bank runs it: every way in encrypted and authenticated, nothing allowed that was not granted."""

import base64
import datetime as dt
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from deploy.kafka import KafkaCluster, Listener
from deploy.kafka.installation import QUICK_JVM, KafkaInstallation
from streams.kafka import KafkaAccess, Password, SaslMechanism, SecurityProtocol, TlsFiles
from tests.support.certificates import Authority, Certificate

AUDIENCE = "kafka"
ISSUER = "https://identity.example"
KEY_ID = "test"
SECURITY = "org.apache.kafka.common.security"


def password_of(user: str) -> str:
    """Every user's password is this; it has what must be quoted somewhere."""
    return f"{user}-gut=gehuetet+/?&%"


class TokenIssuer:
    """Signs tokens (JWT, RS256) that the broker takes, because it has the public key as a file."""

    def __init__(self, directory: Path) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        numbers = self._key.public_key().public_numbers()
        key = {"kty": "RSA", "kid": KEY_ID, "alg": "RS256", "use": "sig"}
        key |= {"n": _text(numbers.n.to_bytes(256)), "e": _text(numbers.e.to_bytes(3))}
        self.jwks = directory / "jwks.json"
        self.jwks.write_text(json.dumps({"keys": [key]}))

    def token(self, subject: str, *, seconds: int = 600, audience: str = AUDIENCE) -> str:
        """A token for a user; a negative number of seconds makes one that has expired."""
        now = int(dt.datetime.now(dt.UTC).timestamp())
        claims = {"sub": subject, "iss": ISSUER, "aud": audience, "scope": "kafka"}
        claims |= {"iat": now - 3600, "exp": now + seconds}
        parts = [{"alg": "RS256", "kid": KEY_ID, "typ": "JWT"}, claims]
        signed = ".".join(_text(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{_text(self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@dataclass(slots=True)
class Endpoint:
    """A running token endpoint.

    Attributes:
        asked: The form of each request that was answered with a token.
        lifetime: Of the tokens to come, in seconds.
    """

    url: str
    asked: list[dict[str, list[str]]]
    lifetime: int = 600


@contextmanager
def token_endpoint(issuer: TokenIssuer, certificate: Certificate, secrets: dict[str, str]) -> Iterator[Endpoint]:
    """A token endpoint over TLS that knows these clients; each gets tokens in its own name."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            client, _, secret = (
                base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")
            )
            if self.path == "/elsewhere":
                self.send_response(307)
                self.send_header("Location", endpoint.url)
                self.end_headers()
                return
            known = secrets.get(client) == secret and form["grant_type"] == ["client_credentials"]
            answer: dict[str, object] = {"error": "invalid_client"}
            if known:
                endpoint.asked.append(form)
                answer = {"access_token": issuer.token(client), "token_type": "Bearer", "expires_in": endpoint.lifetime}
            body = json.dumps(answer).encode()
            self.send_response(200 if known else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Silent."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    endpoint = Endpoint(f"https://127.0.0.1:{server.server_address[1]}/token", [])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True, slots=True)
class SecureKafka:
    """A running cluster with three protected listeners, and what a client needs for them.

    Attributes:
        cluster: Its plaintext listener lets everybody do everything: the tests' way in.
        authority: Signed the broker's certificate, and signs those of clients.
        issuer: Of tokens that the broker takes.
    """

    cluster: KafkaCluster
    authority: Authority
    issuer: TokenIssuer

    def scram(self, user: str, password: str | None = None, mechanism: str = "SCRAM-SHA-512") -> KafkaAccess:
        """In by user and password."""
        return KafkaAccess(
            self.cluster.address("SCRAM"),
            SecurityProtocol.SASL_SSL,
            TlsFiles(ca=self.authority.file),
            Password(SaslMechanism(mechanism), user, password or password_of(user)),
        )

    def mutual_tls(self, user: str) -> KafkaAccess:
        """In by certificate."""
        ours = self.authority.sign(user)
        tls = TlsFiles(ca=self.authority.file, certificate=ours.certificate, key=ours.key)
        return KafkaAccess(self.cluster.address("MTLS"), SecurityProtocol.SSL, tls)


def secure_cluster(directory: Path, installation: KafkaInstallation, users: list[str]) -> SecureKafka:
    """A cluster, to be entered, that knows these users by SCRAM-SHA-512 and PLAIN."""
    authority = Authority(directory / "authority")
    broker = authority.sign("broker", hosts=("127.0.0.1",))
    issuer = TokenIssuer(directory)
    tls = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": broker.both,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": authority.file,
    }
    passwords = " ".join(f'user_{user}="{password_of(user)}"' for user in users)
    scram = {
        "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
        "scram-sha-512.sasl.jaas.config": f"{SECURITY}.scram.ScramLoginModule required;",
        "plain.sasl.jaas.config": f"{SECURITY}.plain.PlainLoginModule required {passwords};",
    }
    oauth = {
        "sasl.enabled.mechanisms": "OAUTHBEARER",
        "oauthbearer.sasl.jaas.config": f"{SECURITY}.oauthbearer.OAuthBearerLoginModule required;",
        "oauthbearer.sasl.server.callback.handler.class": f"{SECURITY}.oauthbearer.OAuthBearerValidatorCallbackHandler",
        "sasl.oauthbearer.jwks.endpoint.url": issuer.jwks.as_uri(),
        "sasl.oauthbearer.expected.audience": AUDIENCE,
        "sasl.oauthbearer.expected.issuer": ISSUER,
    }
    cluster = KafkaCluster(
        directory / "cluster",
        installation=installation,
        listeners={
            "SCRAM": Listener("SASL_SSL", tls | scram),
            "OAUTH": Listener("SASL_SSL", tls | oauth),
            "MTLS": Listener("SSL", tls | {"ssl.client.auth": "required"}),
        },
        properties={
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",  # the brokers themselves, and the tests on the plaintext listener
            "ssl.principal.mapping.rules": "RULE:^CN=([^,]+)$/$1/,DEFAULT",
        },
        format_arguments=[
            argument
            for user in users
            for argument in ("--add-scram", f'SCRAM-SHA-512=[name="{user}",password="{password_of(user)}"]')
        ],
        jvm=(*QUICK_JVM, f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={issuer.jwks.as_uri()}"),
    )
    return SecureKafka(cluster, authority, issuer)
