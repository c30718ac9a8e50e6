"""Where the client asks, and how it goes through lists; and that its twins are twins."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from sealstream_client import AsyncClient, Client, InvalidAnswer, UsageError
from sealstream_client.address import resolve

URL = "https://api.example/base"
DESCRIPTION = Path(__file__).parents[2] / "docs" / "openapi.json"
NAME = uuid4()


def listed(request: httpx.Request) -> httpx.Response:
    """A list of twelve, by their numbers."""
    start, limit = int(request.url.params.get("start", 0)), int(request.url.params["limit"])
    numbers = range(12)[start : start + limit]
    data = [{"index": n, "leaf": {}, "body": "", "proof": ""} for n in numbers]
    return httpx.Response(
        200, json={"origin": "o", "data": data, "next": start + limit if start + limit < 12 else None}
    )


def over(answer: Any, kind: Any = Client) -> Any:
    return kind(api_key="sk_1", base_url=URL, transport=httpx.MockTransport(answer))


@pytest.mark.parametrize("limit", [1, 5, 6, 12, 20])
async def test_iterating_goes_through_all_pages_in_order(limit: int) -> None:
    page = over(listed).list_entries("bank-a", limit=limit)
    assert [each.index for each in page.data] == list(range(12))[:limit]
    assert [each.index for each in page] == list(range(12))
    assert [len(each.data) for each in page.pages()] == [len(range(12)[n : n + limit]) for n in range(0, 12, limit)]
    assert page.has_more is (limit < 12)
    other = await over(listed, AsyncClient).list_entries("bank-a", limit=limit)
    assert [each.index async for each in other] == list(range(12))
    assert other.has_more is page.has_more


def test_no_page_is_asked_for_before_it_is_needed() -> None:
    asked: list[httpx.Request] = []
    page = over(lambda request: asked.append(request) or listed(request)).list_entries("bank-a", limit=5)
    assert [each.index for _, each in zip(range(5), page, strict=False)] == [0, 1, 2, 3, 4]
    assert len(asked) == 1
    assert page.next_page().next_page().next_page() is None


def test_a_list_that_goes_on_where_it_began_is_not_followed_for_ever() -> None:
    stuck = over(lambda _: httpx.Response(200, json={"data": [], "next": "again"}))
    page = stuck.query_data("prj-1")
    with pytest.raises(InvalidAnswer):
        list(page)


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_leads_to_no_other_address(name: str) -> None:
    with pytest.raises(UsageError):
        over(listed).query_data(name)


def test_names_are_quoted() -> None:
    asked: list[httpx.Request] = []
    found = httpx.Response(200, json={"data": [], "next": None})
    over(lambda request: asked.append(request) or found).query_data("../a?b#c%2f")
    assert asked[0].url.raw_path == b"/base/v1/projects/..%2Fa%3Fb%23c%252f/data?limit=10"
    with pytest.raises(UsageError):
        over(listed).get_record("../logs", purpose="casework")


@pytest.mark.parametrize(
    ("given", "region", "environment", "url"),
    [
        ("https://a.example/", None, {}, "https://a.example"),
        (None, None, {"SEALSTREAM_API_URL": "https://b.example"}, "https://b.example"),
        ("https://a.example", None, {"SEALSTREAM_API_URL": "https://b.example"}, "https://a.example"),
        (None, "cn-east-1", {"SEALSTREAM_API_URL": "https://{region}.b.example/x/"}, "https://cn-east-1.b.example/x"),
        ("http://127.0.0.1:8080", None, {}, "http://127.0.0.1:8080"),
        ("http://[::1]:8080", None, {}, "http://[::1]:8080"),
        ("http://localhost", None, {}, "http://localhost"),
    ],
)
def test_the_url_is_given_or_set(
    given: str | None, region: str | None, environment: Mapping[str, str], url: str
) -> None:
    assert resolve(given, region, environment) == url


@pytest.mark.parametrize(
    ("given", "region"),
    [
        pytest.param(None, None, id="none"),
        pytest.param("https://a.example", "cn-east-1", id="no place for the region"),
        pytest.param("https://{region}.example", None, id="no region for the place"),
        pytest.param("https://{region}.example", "evil.example/", id="a region that is an address"),
        pytest.param("https://{region}.example", "-", id="a region that is none"),
        pytest.param("http://a.example", None, id="in the clear"),
        pytest.param("http://127.0.0.1.evil.example", None, id="only looks like this machine"),
        pytest.param("https://user:secret@a.example", None, id="a credential"),
        pytest.param("https://a.example?x=1", None, id="a query"),
        pytest.param("ftp://a.example", None, id="another scheme"),
        pytest.param("https://a.example:x", None, id="no port"),
        pytest.param("https://", None, id="no host"),
    ],
)
def test_an_address_that_is_none_is_refused(given: str | None, region: str | None) -> None:
    with pytest.raises(UsageError) as error:
        resolve(given, region, {})
    assert "secret" not in str(error.value)


def test_the_clients_have_the_same_methods_with_the_same_arguments() -> None:
    def surface(kind: type) -> dict[str, list[str]]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {
            name: [*map(str, inspect.signature(each).parameters.values())] for name, each in found if name[0] != "_"
        }

    blocking, other = surface(Client), surface(AsyncClient)
    assert len(blocking) > 15
    assert blocking == other
    for name in blocking:
        assert inspect.getdoc(getattr(Client, name)) == inspect.getdoc(getattr(AsyncClient, name))


class Act(msgspec.Struct):
    change: str = "approve"


class Asked(msgspec.Struct):
    v: int = 1
    id: str = str(NAME)


def test_every_call_is_one_that_the_service_describes() -> None:
    paths = msgspec.json.decode(DESCRIPTION.read_bytes())["paths"]
    asked: list[httpx.Request] = []
    client = over(lambda request: asked.append(request) or httpx.Response(422))
    arguments = {
        "query_data": ("prj",), "get_record": (NAME,), "search_records": ("f", "v"), "get_receipt": (NAME,),
        "ask_for_access": (Asked(), Act()), "act_on_access_request": (NAME, Act()), "get_checkpoint": ("bank",),
        "list_entries": ("bank",), "prove_leaf": ("bank",), "decide_review": (NAME, "l", "r"), "classify": ("1.00",),
    }  # fmt: skip
    for name, method in inspect.getmembers(client, inspect.ismethod):
        if name[0] != "_" and name not in ("send", "close"):
            purpose = {"purpose": "casework"} if "purpose" in inspect.signature(method).parameters else {}
            with pytest.raises(Exception, match="422"):
                method(*arguments.get(name, ()), **purpose)
    assert len(asked) == 15
    for request in asked:
        described = paths[template(request.url.path)][request.method.lower()]
        known = {(each["in"], each["name"]) for each in described.get("parameters", ())}
        assert {("query", name) for name in request.url.params} <= known
        assert ("idempotency-key" in request.headers) is (("header", "Idempotency-Key") in known)
        assert bool(request.content) is ("requestBody" in described)


def template(path: str) -> str:
    """A path as the description has it."""
    parts = path.removeprefix("/base").split("/")
    names = {"prj": "{project}", "bank": "{tenant}", str(NAME): "{name}" if "access-requests" in parts else "{record}"}
    return "/".join([names.get(each, each) for each in parts])


def test_a_request_is_sent_without_what_only_its_signature_covers() -> None:
    asked: list[Any] = []
    client = over(lambda request: asked.append(msgspec.json.decode(request.content)) or httpx.Response(422))
    with pytest.raises(Exception, match="422"):
        client.ask_for_access(Asked(), Act())
    assert asked == [{"request": {"id": str(NAME)}, "act": {"change": "approve"}}]
    assert UUID(asked[0]["request"]["id"]) == NAME
