import json
import subprocess
import sys


def test_measures_every_variant_on_the_same_records() -> None:
    command = [sys.executable, "-m", "bench.main_job", "--quick", "--records", "400", "--few", "20", "--json"]
    done = subprocess.run([*command, "--workers", "1"], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    measured = {row["variant"]: row for row in report["throughput"] if row["relay"]}
    assert measured.keys() == report["variants"].keys()
    assert all(row["median"] > 0 for row in measured.values())
    # Every variant went through a commit for each record or for many, as it says it does.
    assert measured["faust_documented"]["records_a_commit"] == 1
    assert measured["pipeline"]["records_a_commit"] > 1
    assert sum(step["microseconds"] for step in report["steps"] if step["part_of"] is None) > 0
