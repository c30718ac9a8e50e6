"""Several people who have the client's wheel and nothing else: one asks for access, others approve and revoke it.

Takes a JSON object of what to do on standard input, gives one of what came of it.
"""

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

from sealstream_client import ApiError, Client
from sealstream_client.approvals import AccessChange, AccessRequest, load_signer, signed


def main() -> None:
    """Do all of it."""
    asked = json.load(sys.stdin)
    people = {name: (Client(token=token), load_signer(Path(file))) for name, (token, file) in asked["people"].items()}
    found: dict[str, Any] = {"before": states(people["official"][0], asked["record"])}

    def act(name: str, change: str, digest: str, **more: Any) -> AccessChange:
        unsigned = AccessChange(change=change, digest=digest, at=now(), **more)
        return signed(asked["origin"], unsigned, people[name][1])

    made = now()
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    request = AccessRequest(**asked["request"], made=made, deadline=said(later), ends=said(later))
    own = signed(
        asked["origin"],
        AccessChange(change="request", digest=request.digest(), at=made, level=request.level),
        people["official"][1],
    )
    found["asked"] = people["official"][0].ask_for_access(request, own).state
    found["codes"] = codes = []
    for name, step in (("provider", 2), ("official", 1)):
        try:
            people[name][0].act_on_access_request(request.id, act(name, "approve", request.digest(), step=step))
        except ApiError as error:
            codes.append(error.code)
    for step, name in enumerate(("head", "provider"), 1):
        (waiting,) = people[name][0].list_access_requests()
        done = people[name][0].act_on_access_request(waiting.request, act(name, "approve", waiting.digest, step=step))
    found["approved"] = (done.state, done.steps)
    found["open"] = states(people["official"][0], asked["record"])
    found["revoked"] = (
        people["head"][0].act_on_access_request(request.id, act("head", "revoke", request.digest())).state
    )
    found["after"] = states(people["official"][0], asked["record"])
    json.dump(found, sys.stdout)


def states(mine: Client, record: str) -> dict[str, str]:
    """State of each field of the record."""
    (shown,) = mine.get_record(record, purpose="casework")
    return {name: field.state for name, field in shown.fields.items()}


def said(moment: dt.datetime) -> str:
    """As an act names a moment."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def now() -> str:
    """Likewise, now."""
    return said(dt.datetime.now(dt.UTC))


if __name__ == "__main__":
    main()
