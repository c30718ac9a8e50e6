"""Routes of policies: versions, and which is in force."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel

from sealstream.api.authentication import PartsOf, permitted
from security.access.policy_set import default_policies
from security.access.principal import Action, Principal, Role
from streams.storage.policies import list_policies

router = APIRouter(prefix="/v1", tags=["policies"])

Looking = Annotated[Principal, permitted(Action.READ, Role.ADMINISTRATOR, Role.AUDITOR)]


class Policy(BaseModel):
    """A version. 0 is what the program ships, in force until another one is adopted.

    Attributes:
        digest: Of text and schema; stands in the leaves.
        adopter: None while it is only proposed.
    """

    version: int
    based_on: int | None
    digest: str | None
    proposer: str | None
    adopter: str | None
    in_force: bool
    text: str


class Policies(BaseModel):
    """All versions, in order."""

    data: list[Policy]


@router.get("/policies", operation_id="listPolicies")
async def policies(_: Looking, parts: PartsOf) -> Policies:
    """Every version that was proposed."""
    # What is in force is what the platform adopted, and not what a row says.
    access = await parts.keeper.current()
    async with parts.database.session(clean=True) as connection:
        rows = await list_policies(connection)
    shipped = Policy(
        version=0, based_on=None, digest=None, proposer=None, adopter=None, in_force=access.version == 0,
        text=default_policies(),
    )  # fmt: skip
    return Policies(
        data=[
            shipped,
            *(
                Policy(
                    version=row.version,
                    based_on=row.based_on,
                    digest=row.digest,
                    proposer=row.proposer,
                    adopter=row.adopter,
                    in_force=row.version == access.version,
                    text=row.text,
                )
                for row in rows
            ),
        ]
    )
