"""The client that blocks. What can be asked is sealstream_client.calls; async_client is its twin."""

import datetime as dt
import ssl
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeVar
from uuid import UUID

import httpx
import msgspec

from sealstream_client import calls
from sealstream_client.calls import Call, Part
from sealstream_client.exchange import Came, Retries, Wait, exchange
from sealstream_client.models import AccessRequest, Classification, Decided, Entry, Log, Proof, Record
from sealstream_client.pages import Page
from sealstream_client.sending import TIMEOUT, Credential, Sender

T = TypeVar("T")


class Client:
    """Asks a Sealstream service. Threads may share it; close it, or use it as a context manager.

    Every look at a record is in the log before it is answered, so a repeated call is another look. Failed calls are
    repeated where that does nothing twice; see `Retries`.

    Args:
        api_key: `sk_…`, from an administrator.
        token: Instead of a key: an access token, or what gives the one that is good now.
        region: Goes where the URL says `{region}`.
        base_url: Of the service; the variable `SEALSTREAM_API_URL` when not given.
        timeout: Seconds for each part of an attempt, or httpx's own.
        retries: How often to try.
        tls: Whom to trust, where that is not what the system trusts.
        transport: Instead of the network, for tests.

    Raises:
        UsageError: The address or the credential is none.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        token: Credential | None = None,
        region: str | None = None,
        base_url: str | None = None,
        timeout: float | httpx.Timeout = TIMEOUT,
        retries: Retries = Retries(),  # noqa: B008 it is frozen
        tls: ssl.SSLContext | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._sender = Sender(api_key, token, base_url, region, httpx.Timeout(timeout))
        self._retries = retries
        self._http = httpx.Client(verify=tls if tls is not None else True, transport=transport)

    def __repr__(self) -> str:
        return f"Client({self._sender.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def send(self, call: Call[T]) -> T:
        """Send a call, again if need be.

        Raises:
            ClientError: There is no answer, or it is an error.
        """
        talk = exchange(call, self._retries, now=_now)
        step = next(talk)
        while True:
            came: Came = None
            if isinstance(step, Wait):
                time.sleep(step.seconds)
            else:
                came = self._try(step)
            try:
                step = talk.send(came)
            except StopIteration as end:
                found: T = end.value
                return found

    def _try(self, call: Call[T]) -> Came:
        try:
            return self._http.send(self._sender.request(call))
        except httpx.RequestError as exc:
            return exc

    def _page(self, call: Call[Part[T]]) -> Page[T]:
        return Page(self.send(call), self.send)

    def query_data(self, project_id: str, *, limit: int = 10, cursor: str | None = None) -> Page[Record]:
        """The newest records of a project, for its purpose."""
        return self._page(calls.query_data(project_id, limit, cursor))

    def list_records(
        self, *, purpose: str, tenant: str | None = None, limit: int = 20, cursor: str | None = None
    ) -> Page[Record]:
        """The newest records that you may see."""
        return self._page(calls.list_records(purpose, tenant, limit, cursor))

    def get_record(self, record_id: UUID | str, *, purpose: str) -> list[Record]:
        """The record of that id, or the records of the message of that id."""
        return self.send(calls.get_record(record_id, purpose))

    def search_records(self, field: str, value: str, *, purpose: str, limit: int = 20) -> list[Record]:
        """Records whose searchable field has exactly this value, after normalisation."""
        return self.send(calls.search_records(field, value, purpose, limit))

    def get_receipt(
        self, record_id: UUID | str, *, purpose: str, fields: Sequence[str] | None = None, message: bool = False
    ) -> bytes:
        """The receipt of a record, as `sealstream_client.receipts` checks it, with the fields that you may have whole.

        Args:
            fields: Only these.
            message: With the message as it was received.
        """
        return self.send(calls.get_receipt(record_id, purpose, fields, message))

    def list_access_requests(self) -> list[AccessRequest]:
        """The requests for access that concern you."""
        return self.send(calls.list_access_requests())

    def ask_for_access(
        self, request: msgspec.Struct, act: msgspec.Struct, *, idempotency_key: str | None = None
    ) -> AccessRequest:
        """Make a request for access, signed by your own key; see `sealstream_client.approvals`."""
        return self.send(calls.ask_for_access(request, act, idempotency_key))

    def act_on_access_request(
        self, request_id: UUID | str, act: msgspec.Struct, *, idempotency_key: str | None = None
    ) -> AccessRequest:
        """Approve, refuse, delegate or revoke, signed by your own key; see `sealstream_client.approvals`."""
        return self.send(calls.act_on_access_request(request_id, act, idempotency_key))

    def list_logs(self) -> list[Log]:
        """All logs, and the keys that sign their checkpoints."""
        return self.send(calls.list_logs())

    def get_checkpoint(self, tenant: str) -> str:
        """A log's newest checkpoint: a signed note (C2SP)."""
        return self.send(calls.get_checkpoint(tenant))

    def list_entries(
        self,
        tenant: str,
        *,
        name: UUID | str | None = None,
        kinds: Sequence[str] = (),
        since: str | None = None,
        until: str | None = None,
        limit: int = 100,
    ) -> Page[Entry]:
        """The leaves of a log that a question is about, each with its proof.

        Args:
            name: Id of a record, a message or a dead letter.
            since: RFC 3339 in UTC with milliseconds; as `until`.
        """
        return self._page(calls.list_entries(tenant, name, kinds, since, until, limit))

    def prove_leaf(self, tenant: str, *, name: UUID | str | None = None, index: int | None = None) -> Proof:
        """The proof that a log holds a leaf: that of a record, message or dead letter, or of an index."""
        return self.send(calls.prove_leaf(tenant, name, index))

    def list_reviews(
        self, *, purpose: str, tenant: str | None = None, limit: int = 20, cursor: str | None = None
    ) -> Page[Record]:
        """Records that a model left to a person and nobody has decided yet, the oldest first, as you may see them."""
        return self._page(calls.list_reviews(purpose, tenant, limit, cursor))

    def decide_review(
        self, record_id: UUID | str, label: str, reason: str, *, purpose: str, idempotency_key: str | None = None
    ) -> Decided:
        """Decide a record; the last decision counts."""
        return self.send(calls.decide_review(record_id, label, reason, purpose, idempotency_key))

    def classify(
        self,
        amount: str,
        *,
        credit_debit: str | None = None,
        counterparty_name: str | None = None,
        remittance_information: str | None = None,
        additional_information: str | None = None,
        purpose: str | None = None,
    ) -> Classification:
        """The kind of one transaction, by the model that is in force; nothing of it is kept."""
        members = {
            "credit_debit": credit_debit,
            "counterparty_name": counterparty_name,
            "remittance_information": remittance_information,
            "additional_information": additional_information,
            "purpose": purpose,
        }
        return self.send(calls.classify(amount, members))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
