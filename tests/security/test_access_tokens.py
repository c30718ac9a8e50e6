"""Bearer tokens, attacked as RFC 8725 says that they are."""

import base64
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from schemas.errors import ConfigurationError
from security.access.embedded_issuer import EmbeddedIssuer
from security.access.issuer import Issuer, read_issuer_keys
from security.access.principal import NotAuthenticated
from security.access.tokens import MAX_TOKEN_BYTES, TokenVerifier, UnknownKey
from security.public_key import InvalidKeyError

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
SECONDS = int(NOW.timestamp())
RSA = RSAKey.generate_key(2048, auto_kid=False)
EC = ECKey.generate_key("P-256", auto_kid=False)
OTHER_EC = ECKey.generate_key("P-256", auto_kid=False)
ISSUER = Issuer(url="https://id.example.org", audience="sealstream", algorithms=frozenset({"RS256", "ES256"}))
OTHER = Issuer(url="https://other.example.org", audience="sealstream", algorithms=frozenset({"ES256"}))
CLAIMS: Mapping[str, Any] = {
    "iss": ISSUER.url,
    "aud": ISSUER.audience,
    "sub": "an.official",
    "iat": SECONDS,
    "exp": SECONDS + 300,
}
HEADER: Mapping[str, Any] = {"alg": "ES256", "kid": "ec", "typ": "at+jwt"}


def jwks(**keys: Key) -> bytes:
    return json.dumps({"keys": [{**key.as_dict(private=False), "kid": name} for name, key in keys.items()]}).encode()


KEYS = {
    ISSUER.url: read_issuer_keys(ISSUER, jwks(rsa=RSA, ec=EC)),
    OTHER.url: read_issuer_keys(OTHER, jwks(ec=OTHER_EC)),
}
VERIFIER = TokenVerifier([ISSUER, OTHER], lambda url: KEYS[url])


def b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def signed(header: Mapping[str, Any] | str, claims: Mapping[str, Any] | str, key: Key = EC) -> str:
    """A token whose header and claims are whatever they are, with a good signature by the key."""
    first, second = (part if isinstance(part, str) else json.dumps(part) for part in (header, claims))
    algorithm = "RS256" if isinstance(key, RSAKey) else "ES256"
    signing_input = f"{b64(first.encode())}.{b64(second.encode())}".encode()
    model = jws.JWSRegistry.algorithms[algorithm]
    return f"{signing_input.decode()}.{b64(model.sign(signing_input, key))}"


def claims(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**CLAIMS, **changes}.items() if value is not ...}


def header(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**HEADER, **changes}.items() if value is not ...}


def hs_with_the_public_key() -> str:
    """The classic: a MAC under the text of the RSA key that everybody knows."""
    signing_input = f"{b64(json.dumps(header(alg='HS256', kid='rsa')).encode())}.{b64(json.dumps(claims()).encode())}"
    mac = hmac.digest(RSA.as_pem(private=False), signing_input.encode(), hashlib.sha256)
    return f"{signing_input}.{b64(mac)}"


def unsigned(alg: str) -> str:
    return f"{b64(json.dumps(header(alg=alg)).encode())}.{b64(json.dumps(claims()).encode())}."


@pytest.mark.parametrize(
    ("head", "key"), [pytest.param({}, EC, id="es256"), pytest.param({"alg": "RS256", "kid": "rsa"}, RSA, id="rs256")]
)
def test_a_good_token_says_who_it_is(head: dict[str, str], key: Key) -> None:
    proved = VERIFIER.verify(signed(header(**head), claims(), key), NOW)
    assert (proved.issuer, proved.subject) == (ISSUER.url, "an.official")
    assert proved.expires == NOW + dt.timedelta(minutes=5)


@pytest.mark.parametrize("audience", ["sealstream", ["else", "sealstream"]])
def test_one_of_several_audiences_is_enough(audience: object) -> None:
    assert VERIFIER.verify(signed(HEADER, claims(aud=audience)), NOW).subject == "an.official"


@pytest.mark.parametrize("typ", ["application/at+jwt", "AT+JWT"])
def test_typ_is_a_media_type(typ: str) -> None:
    assert VERIFIER.verify(signed(header(typ=typ), CLAIMS), NOW).subject == "an.official"


FORGED: list[tuple[str, Callable[[], str]]] = [
    ("no-signature", lambda: unsigned("none")),
    ("none-in-other-case", lambda: unsigned("nOnE")),
    ("none-with-a-signature", lambda: signed(header(alg="none"), CLAIMS)),
    ("mac-under-the-public-key", hs_with_the_public_key),
    ("hs256", lambda: signed(header(alg="HS256"), CLAIMS)),
    ("es256-name-on-the-rsa-key", lambda: signed(header(kid="rsa"), CLAIMS)),
    ("rs256-name-on-the-ec-key", lambda: signed(header(alg="RS256"), CLAIMS, RSA)),
    ("an-algorithm-of-no-issuer", lambda: signed(header(alg="ES384"), CLAIMS)),
    ("another-issuers-key-of-the-same-name", lambda: signed(HEADER, CLAIMS, OTHER_EC)),
    ("another-issuer-with-our-key", lambda: signed(HEADER, claims(iss=OTHER.url), EC)),
    ("an-unknown-issuer", lambda: signed(HEADER, claims(iss="https://evil.example.org"))),
    ("issuer-with-a-slash-more", lambda: signed(HEADER, claims(iss=ISSUER.url + "/"))),
    ("no-issuer", lambda: signed(HEADER, claims(iss=...))),
    ("an-id-token", lambda: signed(header(typ="JWT"), CLAIMS)),
    ("no-typ", lambda: signed(header(typ=...), CLAIMS)),
    ("wrong-audience", lambda: signed(HEADER, claims(aud="payroll"))),
    ("audience-as-a-part", lambda: signed(HEADER, claims(aud="sealstream2"))),
    ("no-audience", lambda: signed(HEADER, claims(aud=...))),
    ("an-audience-that-is-no-text", lambda: signed(HEADER, claims(aud=["sealstream", 1]))),
    ("never-expires", lambda: signed(HEADER, claims(exp=...))),
    ("expires-as-text", lambda: signed(HEADER, claims(exp=str(SECONDS + 60)))),
    ("expires-as-true", lambda: signed(HEADER, claims(exp=True))),
    ("expires-at-infinity", lambda: signed(HEADER, json.dumps(claims(exp=float("inf"))))),
    ("expires-beyond-floats", lambda: signed(HEADER, json.dumps(CLAIMS).replace(str(SECONDS + 300), "1e999"))),
    ("lives-too-long", lambda: signed(HEADER, claims(exp=SECONDS + 13 * 3600))),
    ("no-subject", lambda: signed(HEADER, claims(sub=...))),
    ("subject-with-control-characters", lambda: signed(HEADER, claims(sub="a\nb"))),
    ("embedded-key", lambda: signed(header(jwk=OTHER_EC.as_dict(private=False)), CLAIMS, OTHER_EC)),
    ("key-by-url", lambda: signed(header(jku="https://evil.example.org/jwks"), CLAIMS)),
    ("certificate-by-url", lambda: signed(header(x5u="https://evil.example.org/c"), CLAIMS)),
    ("certificate-chain", lambda: signed(header(x5c=["MIIB"]), CLAIMS)),
    ("critical-extension", lambda: signed(header(crit=["exp"]), CLAIMS)),
    ("unencoded-payload", lambda: signed(header(b64=False), CLAIMS)),
    ("compressed", lambda: signed(header(zip="DEF"), CLAIMS)),
    ("no-kid", lambda: signed(header(kid=...), CLAIMS)),
    ("a-kid-that-is-no-text", lambda: signed(header(kid=["ec"]), CLAIMS)),
    ("alg-twice", lambda: signed('{"alg":"none","alg":"ES256","kid":"ec","typ":"at+jwt"}', CLAIMS)),
    ("sub-twice", lambda: signed(HEADER, json.dumps(CLAIMS)[:-1] + ',"sub":"the.director"}')),
    ("claims-that-are-a-list", lambda: signed(HEADER, "[]")),
    ("claims-that-are-nested-deep", lambda: signed(HEADER, "[" * 3000)),
    ("five-parts", lambda: signed(HEADER, CLAIMS) + ".a.b"),
    ("padding", lambda: signed(HEADER, CLAIMS).replace(".", "=.", 1)),
    ("a-line-end", lambda: signed(HEADER, CLAIMS) + "\n"),
    ("too-long", lambda: signed(HEADER, claims(more="x" * MAX_TOKEN_BYTES))),
    ("not-ascii", lambda: "é" + signed(HEADER, CLAIMS)),
    ("nothing", lambda: ""),
]


@pytest.mark.parametrize("forge", [pytest.param(each, id=name) for name, each in FORGED])
def test_a_token_that_is_not_one_for_us_proves_nothing(forge: Callable[[], str]) -> None:
    with pytest.raises(NotAuthenticated) as refused:
        VERIFIER.verify(forge(), NOW)
    assert refused.value.reason == "invalid_token"


@pytest.mark.parametrize(
    "kid",
    ["../../dev/null", "/dev/null", "ec' OR '1'='1", "ec\0", "EC", " ec", "https://evil.example.org/k", "x" * 999],
)
def test_a_kid_is_a_name_and_nothing_else(kid: str) -> None:
    with pytest.raises(UnknownKey):
        VERIFIER.verify(signed(header(kid=kid), CLAIMS), NOW)


def test_any_changed_character_breaks_it() -> None:
    token = signed(HEADER, CLAIMS)
    for at in range(0, len(token), 7):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        with pytest.raises(NotAuthenticated):
            VERIFIER.verify(changed, NOW)


@pytest.mark.parametrize(
    ("change", "after", "reason"),
    [
        pytest.param({}, 300 + 30, "token_expired", id="expired"),
        pytest.param({"nbf": SECONDS + 60}, 0, "token_not_yet_valid", id="not-yet"),
        pytest.param({"iat": SECONDS + 60}, 0, "token_not_yet_valid", id="issued-in-the-future"),
    ],
)
def test_a_holder_is_told_that_time_is_the_matter(change: dict[str, int], after: int, reason: str) -> None:
    with pytest.raises(NotAuthenticated) as refused:
        VERIFIER.verify(signed(HEADER, claims(**change)), NOW + dt.timedelta(seconds=after))
    assert refused.value.reason == reason


@pytest.mark.parametrize(("change", "after"), [({}, 329), ({"nbf": SECONDS + 29}, 0)])
def test_clocks_may_differ_a_little(change: dict[str, int], after: int) -> None:
    token = signed(HEADER, claims(**change))
    assert VERIFIER.verify(token, NOW + dt.timedelta(seconds=after)).subject == "an.official"


def test_no_text_of_a_refusal_holds_what_the_token_said() -> None:
    for _, forge in FORGED:
        with pytest.raises(NotAuthenticated) as refused:
            VERIFIER.verify(forge(), NOW)
        assert not any(word in str(refused.value) for word in ("evil", "official", "director", "payroll"))


@pytest.mark.parametrize("algorithms", [{"none"}, {"HS256"}, {"ES256", "HS256"}, {"RS1"}, set()])
def test_an_issuer_may_not_sign_with_what_we_could_forge(algorithms: set[str]) -> None:
    with pytest.raises(ConfigurationError):
        replace(ISSUER, algorithms=frozenset(algorithms))


@pytest.mark.parametrize(
    "change", [{"skew": dt.timedelta(hours=1)}, {"audience": ""}, {"typ": "dpop+jwt"}, {"max_lifetime": dt.timedelta()}]
)
def test_an_issuer_has_bounds(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        replace(ISSUER, **change)


def test_two_issuers_may_not_share_a_url() -> None:
    with pytest.raises(ConfigurationError):
        TokenVerifier([ISSUER, replace(OTHER, url=ISSUER.url)], lambda _: {})


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(jwks(a=OctKey.generate_key(256)), id="a-shared-key"),
        pytest.param(json.dumps({"keys": [{**EC.as_dict(private=True), "kid": "ec"}]}).encode(), id="a-private-key"),
        pytest.param(json.dumps({"keys": 2 * json.loads(jwks(ec=EC))["keys"]}).encode(), id="a-name-twice"),
        pytest.param(jwks(small=RSAKey.generate_key(1024, auto_kid=False)), id="only-a-small-key"),
        pytest.param(jwks(k=OKPKey.generate_key("Ed25519")), id="no-key-for-its-algorithms"),
        pytest.param(b'{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "a"}]}', id="not-a-point"),
        pytest.param(b'{"keys": [{"kty": ["EC"], "crv": {}, "kid": "a"}]}', id="members-of-other-types"),
        pytest.param(b"[]", id="no-set"),
    ],
)
def test_a_set_without_a_usable_key_is_none(body: bytes) -> None:
    with pytest.raises(InvalidKeyError):
        read_issuer_keys(ISSUER, body)


def test_a_key_for_encryption_verifies_nothing() -> None:
    entry = {**EC.as_dict(private=False), "kid": "ec", "use": "enc"}
    with pytest.raises(InvalidKeyError):
        read_issuer_keys(ISSUER, json.dumps({"keys": [entry]}).encode())


def test_the_embedded_issuer_issues_what_a_verifier_takes() -> None:
    embedded = EmbeddedIssuer("http://127.0.0.1:8080", "sealstream", b"s" * 32)
    keys = read_issuer_keys(embedded.issuer, embedded.jwks())
    verifier = TokenVerifier([embedded.issuer], lambda _: keys)
    assert verifier.verify(embedded.token("somebody", NOW), NOW).subject == "somebody"
    assert b"s" * 32 not in embedded.jwks()
    assert "s" * 8 not in repr(embedded)


def test_a_token_that_is_bound_to_a_certificate_says_to_which() -> None:
    assert VERIFIER.verify(signed(header(), claims()), NOW).certificate is None
    bound = claims(cnf={"x5t#S256": "thumbprint"})
    assert VERIFIER.verify(signed(header(), bound), NOW).certificate == "thumbprint"


@pytest.mark.parametrize(
    "confirmation", [{"jkt": "a"}, {"x5t#S256": "a", "jkt": "b"}, {"x5t#S256": 1}, {"x5t#S256": ""}, {}, "a", None]
)
def test_a_token_that_is_bound_in_a_way_that_we_cannot_see_to_is_refused(confirmation: object) -> None:
    with pytest.raises(NotAuthenticated):
        VERIFIER.verify(signed(header(), claims(cnf=confirmation)), NOW)
