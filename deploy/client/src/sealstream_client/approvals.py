"""Requests for access and acts over them, signed by a person's own key file before they are sent.

    me = load_signer(Path("me.jwk"))
    act = signed(origin, AccessChange(change="approve", digest=asked.digest, at=now, step=1), me)
    client.act_on_access_request(asked.request, act)

`origin` is that of the log where the provider's acts stand; whoever runs the service names it.
"""

from sealstream_client._vendor.schemas.leaf import AccessChange
from sealstream_client._vendor.security.access.access_request import AccessRequest
from sealstream_client._vendor.security.access.assertion import signed
from sealstream_client._vendor.security.key_files import load_signer

__all__ = ["AccessChange", "AccessRequest", "load_signer", "signed"]
