"""Sealstream from Python: records as policies allow them, each look in the log.

    from sealstream_client import Client

    with Client(api_key="sk_…", region="cn-east-1") as client:
        page = client.query_data(project_id="prj-1", limit=10)
        print(len(page.data), [record.outcome for record in page])

Modules of their own, so that programs that only read load none of their libraries: `sealstream_client.receipts` checks
receipts offline, `sealstream_client.signing` signs what is published, `sealstream_client.approvals` signs requests for
access and acts over them.
"""

from sealstream_client.async_client import AsyncClient
from sealstream_client.client import Client
from sealstream_client.errors import (
    ApiError,
    ClientError,
    Conflict,
    Forbidden,
    InvalidAnswer,
    InvalidRequest,
    NoAnswer,
    NotAuthenticated,
    NotFound,
    RateLimited,
    ReceiptRefused,
    ServiceFailed,
    UsageError,
)
from sealstream_client.exchange import Retries
from sealstream_client.models import Field, Record
from sealstream_client.pages import AsyncPage, Page

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncPage",
    "Client",
    "ClientError",
    "Conflict",
    "Field",
    "Forbidden",
    "InvalidAnswer",
    "InvalidRequest",
    "NoAnswer",
    "NotAuthenticated",
    "NotFound",
    "Page",
    "RateLimited",
    "ReceiptRefused",
    "Record",
    "Retries",
    "ServiceFailed",
    "UsageError",
]
