"""A key release as its operator sees it: metrics, readiness, and what `doctor` says of it."""

import asyncio
import datetime as dt
import re
from dataclasses import replace

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from agents.release import KeptKeys, ReleaseRefused
from sealstream.release import messages
from sealstream.release.client import ask_once
from sealstream.release.identity import GivenIdentity
from sealstream.release.metrics import KEYS, ReleaseMetrics
from sealstream.running.checkup import check_up
from security.file_keyring import FileKeyring
from streams.health import Health, State
from tests.support.asking_process import EVERYTHING
from tests.support.installation import LOG_ORIGIN, Installation
from tests.support.recording_keyring import AwayKeyring
from tests.support.release import releasing


async def test_requests_are_counted_by_what_became_of_them(platform: Installation) -> None:
    async with releasing(platform) as release:
        identity = await asyncio.to_thread(GivenIdentity.introduced, release.socket, LOG_ORIGIN)
        asked = messages.AskSecret("platform", "access")
        with pytest.raises(ReleaseRefused):
            await asyncio.to_thread(ask_once, release.socket, identity.worker, asked, messages.Secret)
        await asyncio.to_thread(ask_once, release.socket, identity.worker, messages.AskStanding(), messages.Standing)
        (url,) = re.findall(r"http://127\.0\.0\.1:\d+", release.said)
        async with aiohttp.ClientSession() as http:
            async with http.get(f"{url}/metrics") as answer:
                text = await answer.text()
            async with http.get(f"{url}/readyz") as answer:
                assert answer.status == 200
                assert (await answer.json())["parts"].keys() == {KEYS}
        for sample in (
            'sealstream_release_requests_total{outcome="not_served",request="AskSecret"} 1.0',
            'sealstream_release_requests_total{outcome="answered",request="AskStanding"} 1.0',
            'sealstream_release_provider_seconds_count{outcome="good"} 1.0',
            "sealstream_release_in_work 0.0",
            "sealstream_process_info{",
        ):
            assert sample in text, sample
        held = re.search(r"sealstream_release_tier_keys (\d+)", text)
        assert held is not None
        settings = platform.settings.model_copy(update={"release": (release.route(),)})
        lines = {each.name: each for each in await check_up(settings)}
        assert lines["key release"].ok
        assert f"with {held[1]} tier keys" in lines["key release"].what
        await release.stop()
        assert not {each.name: each for each in await check_up(settings)}["key release"].ok


async def test_it_is_not_ready_without_keys_that_serve(platform: Installation) -> None:
    registry, health, now = CollectorRegistry(), Health([KEYS]), [0.0]
    keyring = AwayKeyring(FileKeyring(platform.keyring_dir))
    identity = replace(platform.identity, keyring=keyring)
    watch = ReleaseMetrics(registry, health)
    keys = KeptKeys(platform.database, identity, EVERYTHING, dt.timedelta(hours=1), clock=lambda: now[0], watch=watch)

    async def until(state: State) -> None:
        while health.parts()[KEYS].state is not state:  # noqa: ASYNC110 it is asked from outside
            await asyncio.sleep(0.01)

    keeping = asyncio.create_task(keys.keep())
    try:
        await asyncio.wait_for(until(State.WORKING), 60)
        assert (registry.get_sample_value("sealstream_release_tier_keys") or 0) > 0
        keyring.away, now[0] = True, 3_700.0
        await asyncio.wait_for(until(State.WAITING), 60)
        assert registry.get_sample_value("sealstream_release_tier_keys") == 0
        assert registry.get_sample_value("sealstream_release_keys_left_seconds") == 0
        keyring.away, now[0] = False, 3_800.0
        await asyncio.wait_for(until(State.WORKING), 60)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
