"""The API against its own description: what is committed is what there is, and what there is is as described."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sealstream.address import Address
from sealstream.api.description import openapi
from sealstream.api.rate_limits import TokenBuckets
from sealstream.api_server import serving
from tests.support.api import ADMINISTRATOR, AUDITOR, OPERATOR, READER, served
from tests.support.installation import Installation, Worker
from tests.support.reviews import left_open

COMMITTED = Path(__file__).parents[3] / "docs" / "openapi.json"
EXAMPLES = 3
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def test_the_committed_description_is_that_of_this_program() -> None:
    assert COMMITTED.read_text() == openapi(), "run `sealstream api --openapi > docs/openapi.json`"


@pytest.fixture
async def site(platform: Installation, worker: Worker) -> AsyncIterator[tuple[str, list[str]]]:
    """Where it is served, and a token of a person of each role."""
    await left_open(worker, "open-1")
    await platform.sequence()
    async with served(platform) as found:
        patient = replace(found.parts.limits, failures=TokenBuckets(1e6, 1e6))
        async with serving(replace(found.parts, limits=patient), Address("127.0.0.1", 0)) as url:
            yield url, [found.token(each) for each in (READER, AUDITOR, OPERATOR, ADMINISTRATOR)]


async def test_no_call_fails_on_our_side_or_is_answered_otherwise_than_described(site: tuple[str, list[str]]) -> None:
    url, tokens = site
    statuses = await asyncio.to_thread(try_all, url, tokens)
    # Whoever answers everything by an error fits any description.
    assert {200, 403, 404, 422} <= statuses.keys()
    assert statuses[200] >= 20


def try_all(url: str, tokens: list[str]) -> dict[int, int]:
    """Call every operation as everybody, with examples that fit its form and some that don't; counts by status."""
    statuses: dict[int, int] = {}
    for found in schemathesis.openapi.from_url(f"{url}/v1/openapi.json").get_all_operations():
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try_one(found.ok(), mode, tokens, statuses)
    return statuses


def try_one(operation: APIOperation, mode: GenerationMode, tokens: list[str], statuses: dict[int, int]) -> None:
    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: Case) -> None:
        for number, token in enumerate(tokens if mode is GenerationMode.POSITIVE else tokens[:2]):
            headers = {"Authorization": f"Bearer {token}"}
            # Whoever it is that calls, calls again without a token, and with a wrong one: once is enough.
            checks = CHECKS if number else [*CHECKS, ignored_auth]
            answer = case.call_and_validate(headers=headers, checks=checks)
            statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1

    try:
        call()
    except Unsatisfiable:
        # An operation without anything that could be wrong.
        assert mode is GenerationMode.NEGATIVE
