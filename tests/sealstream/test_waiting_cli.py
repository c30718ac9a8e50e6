"""`sealstream records waiting`: what waits in lanes, without naming any of it."""

import json
from pathlib import Path

from tests.support.installation import Installation
from tests.support.lanes import Scripted, filled_lanes
from tests.support.processes import sealstream

COUNT = 3


async def test_what_waits_is_counted_by_lane_until_it_has_ended(platform: Installation, tmp_path: Path) -> None:
    settings = {
        "SEALSTREAM_DATABASE_URL": platform.dsn,
        "SEALSTREAM_KEYRING_DIR": str(platform.keyring_dir),
        "SEALSTREAM_DATA_DIR": str(platform.keyring_dir.parent),
    }
    lanes = await filled_lanes(platform, COUNT)
    done = sealstream("records", "waiting", "--json", settings=settings, directory=tmp_path)
    assert done.returncode == 0, done.stderr
    (lane,) = map(json.loads, done.stdout.splitlines())
    assert lane.pop("oldest_seconds") >= 0
    assert lane == {"lane": "text.normal", "records": COUNT, "late": COUNT}, "they were received long ago"
    async with lanes.running(Scripted("d0")):
        await lanes.until_ended()
    done = sealstream("records", "waiting", "--json", settings=settings, directory=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
