"""The rights that docs/deployment.md says each role needs, and granting them."""

import asyncio
import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest, DescribeAclsRequest

DEPLOYMENT = Path(__file__).resolve().parents[2] / "docs" / "deployment.md"
ALLOW = 3
ANY = 1
_ROW = re.compile(r"^\| (\w+) \| (topic|group|transactional id) \| (\S+) \| (literal|prefixed) \| ([\w, ]+) \|$", re.M)


class Resource(IntEnum):
    """Kafka's numbers."""

    TOPIC = 2
    GROUP = 3
    TRANSACTIONAL_ID = 5


class Pattern(IntEnum):
    """Kafka's numbers."""

    LITERAL = 3
    PREFIXED = 4


class Operation(IntEnum):
    """Kafka's numbers."""

    READ = 3
    WRITE = 4
    CREATE = 5
    DESCRIBE = 8


@dataclass(frozen=True, slots=True)
class Right:
    """One operation on one resource."""

    resource: Resource
    name: str
    pattern: Pattern
    operation: Operation


def documented_rights() -> dict[str, list[Right]]:
    """Role to its rights, as the page has them."""
    found: dict[str, list[Right]] = {}
    for role, resource, name, pattern, operations in _ROW.findall(DEPLOYMENT.read_text()):
        found.setdefault(role, []).extend(
            Right(
                Resource[resource.upper().replace(" ", "_")],
                name,
                Pattern[pattern.upper()],
                Operation[operation.strip().upper()],
            )
            for operation in operations.split(",")
        )
    return found


async def grant(bootstrap_servers: str, user: str, rights: Collection[Right]) -> None:
    """Give a user, who has none, rights; returns when they are in force. The address is one where we may."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        for right in rights:
            answer = await admin._send_request(
                CreateAclsRequest(
                    right.resource, right.name, right.pattern, f"User:{user}", "*", right.operation, ALLOW
                )
            )
            assert [code for code, *_ in answer.creation_responses] == [0], answer
        # The controller has them; the broker learns of them a moment later.
        while await _count(admin, user) < len(rights):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    finally:
        await admin.close()


async def _count(admin: AIOKafkaAdminClient, user: str) -> int:
    answer = await admin._send_request(DescribeAclsRequest(ANY, None, ANY, f"User:{user}", None, ANY, ANY))
    assert answer.error_code == 0, answer
    return sum(len(acls) for *_, acls in answer.resources)
