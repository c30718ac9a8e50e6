"""Routes of projects: names for a tenant's records read for one purpose, which API keys are bound to."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from sealstream.api.authentication import PartsOf, Who, see_permitted
from sealstream.api.problems import not_found
from sealstream.api.shapes import CursorText, PageLimit, Records, records_response
from security.access.principal import Action, Role
from streams.storage.projects import find_project

router = APIRouter(prefix="/v1", tags=["records"])

PROJECT_FORM = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


@router.get("/projects/{project}/data", operation_id="queryProject", response_model=Records)
async def query_data(
    who: Who,
    parts: PartsOf,
    project: Annotated[str, Path(pattern=PROJECT_FORM)],
    limit: PageLimit = 10,
    cursor: CursorText = None,
) -> Response:
    """The newest records of a project, for its purpose."""
    see_permitted(who, Action.READ, Role.READER, Role.AUDITOR, project=project)
    async with parts.database.session(clean=True) as connection:
        found = await find_project(connection, project)
    if found is None or (who.tenant != found.tenant and Role.AUDITOR not in who.roles):
        raise not_found()
    bound = ("project", who.person, project)
    after = parts.cursors.read(cursor, *bound)
    page = await parts.desk.list(who, found.purpose, tenant=found.tenant, after=after, limit=limit)
    return records_response(page.records, parts.cursors.text(page.next, *bound))
