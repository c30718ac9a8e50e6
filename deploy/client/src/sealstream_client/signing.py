"""Signing what is published: the platform's own signer, which checks each message as the door will.

signer = Signer.from_key_file("bank-1.jwk", source="urn:bank-a:core")
record = signer.sign(Message(id="42", type="io.sealstream.transaction.v1", data=payment))
producer.send("transactions", value=record.value, key=record.key, headers=record.headers)
"""

from sealstream_client._vendor.sealstream.client import (
    UNSIGNED_EXTENSIONS,
    Message,
    SignedRecord,
    Signer,
    SigningRefusedError,
)

__all__ = ["UNSIGNED_EXTENSIONS", "Message", "SignedRecord", "Signer", "SigningRefusedError"]
