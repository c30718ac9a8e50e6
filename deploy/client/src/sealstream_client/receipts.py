"""Checking receipts on this machine, with no word of the service: the platform's published verifier, as a function."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from sealstream_client._vendor import sealstream_verify
from sealstream_client.errors import ReceiptRefused

__all__ = ["ReceiptRefused", "VerifiedReceipt", "verify_receipt"]

_FIELD = "field "


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """What holds.

    Attributes:
        leaf: What the log says of the record.
        fields: Values that open the leaf's commitments.
        findings: Everything that was checked, as the verifier says it: item and detail.
    """

    leaf: dict[str, Any] = field(repr=False)
    fields: dict[str, str] = field(repr=False)
    findings: tuple[tuple[str, str], ...] = field(repr=False)

    @property
    def producer_signature(self) -> str | None:
        """Whose keys signed the message, with thumbprints to compare; None where the message is not in the receipt."""
        return dict(self.findings).get("producer signature")


def verify_receipt(receipt: bytes, vkey: str, *, origin: str | None = None, leaf_only: bool = False) -> VerifiedReceipt:
    """See that a receipt holds.

    Args:
        vkey: The log's verifier key, from its operator on a way that you trust: not from the service itself.
        origin: Of the log; its key's name when not given.
        leaf_only: Check neither fields nor the message, where those take algorithms that are not here.

    Raises:
        ReceiptRefused: It does not; the text says what.
    """
    try:
        findings = tuple(sealstream_verify.verify(receipt, vkey, origin, leaf_only))
    except (ValueError, OverflowError, RecursionError) as exc:
        raise ReceiptRefused(str(exc)) from None
    said = dict(findings)
    fields = {item.removeprefix(_FIELD): detail for item, detail in findings if item.startswith(_FIELD)}
    return VerifiedReceipt(msgspec.json.decode(said["leaf"]), fields, findings)
