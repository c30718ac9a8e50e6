"""A program of somebody who has the client's wheel and nothing else; the tests run it in its own environment.

Takes a JSON object of what to do on standard input, gives one of what came of it.
"""

import asyncio
import base64
import json
import ssl
import sys
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from sealstream_client import ApiError, AsyncClient, Client, Retries
from sealstream_client.receipts import ReceiptRefused, verify_receipt
from sealstream_client.sending import USER_AGENT
from sealstream_client.signing import Message, Signer


def main() -> None:
    """Do all of it."""
    asked = json.load(sys.stdin)
    found: dict[str, Any] = {
        "theirs": [name for name in ("schemas", "security", "sealstream", "aiohttp", "numpy") if find_spec(name)],
        "version": f"sealstream-client/{version('sealstream-client')}" == USER_AGENT,
    }
    with client(Client, asked, asked["key"]) as mine:
        found |= query(mine)
    with client(Client, asked, asked["token"]) as mine:
        found |= read(mine, asked["vkey"])
    with client(Client, asked, asked["auditor"]) as mine:
        found |= audit(mine)
    found["async"] = asyncio.run(query_async(asked))
    found["signed"] = sign(asked["key_file"], asked["source"])
    json.dump(found, sys.stdout)


def client(kind: Any, asked: dict[str, Any], credential: str) -> Any:
    """Where the service is, stands in the environment."""
    tls = ssl.create_default_context(cafile=asked["trusted"])
    given = "api_key" if credential.startswith("sk_") else "token"
    return kind(**{given: credential}, region="127", tls=tls, retries=Retries(attempts=8))


def query(mine: Client) -> dict[str, Any]:
    page = mine.query_data(project_id="prj-1", limit=5)
    found = {"page": len(page.data), "more": page.has_more, "all": [str(each.record) for each in page]}
    found["codes"] = codes = []
    for refused in (
        lambda: mine.query_data(project_id="prj-2"),
        lambda: mine.query_data(project_id="prj-1", limit=1_000),
    ):
        try:
            refused()
        except ApiError as error:
            codes.append([type(error).__name__, error.status, error.code, [each.where for each in error.faults]])
    return found


def read(mine: Client, vkey: str) -> dict[str, Any]:
    first = mine.list_records(purpose="casework", limit=1).data[0]
    amount = first.fields["amount"].value
    receipt = mine.get_receipt(first.record, purpose="casework", fields=["amount"])
    holds = verify_receipt(receipt, vkey)
    try:
        verify_receipt(receipt.replace(f'"{amount}"'.encode(), b'"1000000.00"'), vkey)
        refused = ""
    except ReceiptRefused as error:
        refused = str(error)
    name = first.fields["counterparty_name"].value or ""
    return {
        "shown": [str(each.record) for each in mine.get_record(first.record, purpose="casework")],
        "searched": len(mine.search_records("counterparty_name", name, purpose="casework")),
        "amounts": [amount, holds.fields["amount"]],
        "leaf": holds.leaf["record"],
        "refused": refused,
        "label": mine.classify("12.50", remittance_information="Card payment SUPERMARKET").label,
        "reviews": len(mine.list_reviews(purpose="casework").data),
        "requests": len(mine.list_access_requests()),
    }


def audit(mine: Client) -> dict[str, Any]:
    entries = mine.list_entries("bank-a", kinds=["result"], limit=5)
    proof = mine.prove_leaf("bank-a", index=entries.data[0].index)
    return {
        "logs": [each.tenant for each in mine.list_logs()],
        "checkpoint": mine.get_checkpoint("bank-a").splitlines()[0],
        "entries": len(list(entries)),
        "proved": proof.body == entries.data[0].body,
    }


async def query_async(asked: dict[str, Any]) -> list[str]:
    async with client(AsyncClient, asked, asked["key"]) as mine:
        return [str(each.record) async for each in await mine.query_data(project_id="prj-1", limit=5)]


def sign(key_file: str, source: str) -> dict[str, Any]:
    data = json.dumps({"amount": "5.10", "currency": "EUR", "credit_debit": "DBIT", "status": "BOOK"}).encode()
    message = Message(id="from-the-wheel", type="io.sealstream.transaction.v1", data=data, time="2026-01-05T08:00:00Z")
    record = Signer.from_key_file(key_file, source=source).sign(message)
    return {
        "headers": [[name, base64.b64encode(text).decode()] for name, text in record.headers],
        "value": base64.b64encode(record.value).decode(),
    }


if __name__ == "__main__":
    main()
