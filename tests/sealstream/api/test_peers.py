"""Mutual TLS: who shows no certificate of ours is not let in, and a bound token is good with its certificate alone."""

import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sealstream.address import Address
from sealstream.api.peers import thumbprint
from sealstream.api_server import Certificate, serving
from tests.support.api import READER, served
from tests.support.certificates import Authority
from tests.support.certificates import Certificate as Signed
from tests.support.installation import Installation

ANYWHERE = Address("127.0.0.1", 0)


def showing(authority: Authority, client: Signed | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.file))
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    return context


def name_of(client: Signed) -> str:
    certificate = x509.load_pem_x509_certificate(client.certificate.read_bytes())
    return thumbprint(certificate.public_bytes(Encoding.DER))


async def test_clients_show_a_certificate_and_bound_tokens_are_good_with_theirs_alone(
    platform: Installation, tmp_path: Path
) -> None:
    authority, strangers = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs", "Another CA")
    server = authority.sign("api", hosts=("127.0.0.1",))
    client, other, stranger = authority.sign("agency"), authority.sign("bureau"), strangers.sign("agency")
    certificate = Certificate(server.certificate, server.key, authority.file)
    async with (
        served(platform) as site,
        serving(site.parts, ANYWHERE, certificate) as url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
    ):

        async def status(token: str, shown: Signed | None) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            context = showing(authority, shown)
            async with session.get(f"{url}/v1/catalogue", headers=headers, ssl=context) as answer:
                return answer.status

        free, bound = site.token(READER), site.token(READER, name_of(client))
        assert await status(free, client) == await status(free, other) == 200
        assert await status(bound, client) == 200
        assert await status(bound, other) == 401
        for nobody in (None, stranger):
            with pytest.raises(aiohttp.ClientError):
                await status(free, nobody)


async def test_a_bound_token_is_good_for_nothing_where_no_certificate_is_asked_for(platform: Installation) -> None:
    async with served(platform) as site:
        assert (await site.get(site.token(READER, "thumbprint"), "/v1/catalogue")).status_code == 401
