"""From a credential to a principal: whose token or key it is, and what that person is here now."""

import asyncio
import datetime as dt
import hmac

from agents.access_keeper import AccessKeeper
from agents.platform import Identity
from agents.vouching import Vouching
from security.access.api_key import acting_with, check_api_key, key_id_of
from security.access.principal import Method, NotAuthenticated, Principal
from security.access.tokens import Proved, TokenVerifier, UnknownKey
from streams.issuer_keys import IssuerKeys
from streams.storage import people
from streams.storage.database import Database


class Authenticator:
    """Says who somebody is.

    Args:
        keeper: Knows the people.
        issuers: Holds issuers' keys, which `verifier` was given.
    """

    def __init__(
        self,
        database: Database,
        identity: Identity,
        keeper: AccessKeeper,
        verifier: TokenVerifier,
        issuers: IssuerKeys,
    ) -> None:
        self._database = database
        self._identity = identity
        self._keeper = keeper
        self._verifier = verifier
        self._issuers = issuers
        self._voucher: Vouching | None = None

    async def by_token(self, token: str, now: dt.datetime, certificate: str | None = None) -> Principal:
        """Who a bearer token is of.

        Args:
            certificate: Thumbprint of the client certificate that the connection showed.

        Raises:
            NotAuthenticated: It proves nothing, or nobody of that subject is registered.
            AccessUnavailable: Who is registered can't be found out now.
        """
        proved = await self.prove(token, now, certificate)
        return await self.by_subject(proved.issuer, proved.subject)

    async def prove(self, token: str, now: dt.datetime, certificate: str | None = None) -> Proved:
        """What a bearer token proves, which is not yet that its subject is somebody here; see `by_token`.

        Raises:
            NotAuthenticated: Nothing.
        """
        try:
            proved = self._verifier.verify(token, now)
        except UnknownKey as exc:
            await self._issuers.refresh(exc.issuer, unknown_key=True)
            proved = self._verifier.verify(token, now)
        see_bound(proved.certificate, certificate)
        return proved

    async def by_subject(self, issuer: str, subject: str) -> Principal:
        """Who an issuer's subject is, once that it is them was proved.

        Raises:
            NotAuthenticated: Nobody of that subject is registered.
            AccessUnavailable: Who is registered can't be found out now.
        """
        access = await self._keeper.current()
        name = access.subjects.get((issuer, subject))
        if name is None:
            raise NotAuthenticated("unknown_person", "nobody of that name is registered here")
        return access.people[name].authenticated(Method.TOKEN, issuer)

    async def by_api_key(self, text: str, now: dt.datetime) -> Principal:
        """For whom an API key acts. That it was used is not written down: each look has its leaf.

        Raises:
            NotAuthenticated: It is none that counts.
            AccessUnavailable: Who is registered can't be found out now.
        """
        access = await self._keeper.current()
        key_id = key_id_of(text)
        row = None
        if key_id is not None:
            async with self._database.session(clean=True) as connection:
                row = await people.find_api_key(connection, key_id)
        if self._voucher is None:
            self._voucher = await asyncio.to_thread(self._identity.voucher)
        await asyncio.to_thread(self._voucher.learn, [row] if row is not None else [])
        ours = row is not None and self._voucher.is_ours(row)
        key = check_api_key(text, row.key if row is not None and ours else None, now)
        person = access.people.get(key.person)
        if person is None:
            raise NotAuthenticated("unknown_person", "nobody of that name is registered here")
        return acting_with(key, person.authenticated(Method.API_KEY))


def see_bound(bound: str | None, shown: str | None) -> None:
    """See that what is bound to a client certificate comes with that one.

    Args:
        bound: Thumbprint of the certificate; None for what whoever has it may use.
        shown: That of the connection's.

    Raises:
        NotAuthenticated: It does not.
    """
    if bound is not None and not hmac.compare_digest(bound, shown or ""):
        raise NotAuthenticated("invalid_token", "the token is bound to a client certificate, and this is not it")
