"""From a credential to a principal: whose token or key it is, and what that person is here now."""

import asyncio
import datetime as dt
import hmac
from dataclasses import replace

from agents.access.keeper import Access, AccessKeeper
from agents.platform.identity import Identity
from agents.platform.vouching import VouchedRow, Vouching
from security.access.api_key import ApiKey, acting_with, check_api_key, check_counts, key_id_of
from security.access.presented import Means, Presented
from security.access.principal import Method, NotAuthenticated, Principal
from security.access.session import ConsoleSession, check_session, session_digest
from security.access.tokens import Proved, TokenVerifier, UnknownKey
from streams.issuer_keys import IssuerKeys
from streams.storage import people
from streams.storage.database import Database
from streams.storage.sessions import find_session


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

    async def principal(self, shown: Presented, now: dt.datetime) -> Principal:
        """Whoever shows a credential, with it as their proof: the one way in, in every process.

        Raises:
            NotAuthenticated: It proves nothing, or nobody here.
            AccessUnavailable: Who is registered can't be found out now.
        """
        match shown.means:
            case Means.TOKEN:
                who = await self.by_token(shown.text, now, shown.certificate)
            case Means.API_KEY:
                who = await self.by_api_key(shown.text, now)
            case Means.SESSION:
                who = await self.by_session(shown.text, now, shown.certificate)
        return replace(who, proof=shown)

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
        row, access = await asyncio.gather(self._api_key(key_id_of(text)), self._keeper.current())
        ours = row if row is not None and await self._made(row) else None
        return _acting(access, check_api_key(text, ours.key if ours is not None else None, now))

    async def session(self, text: str, now: dt.datetime) -> ConsoleSession:
        """The login that a browser's secret is of.

        Raises:
            NotAuthenticated: There is none that counts.
        """
        digest = session_digest(text)
        row = None
        if digest is not None:
            async with self._database.session(clean=True) as connection:
                row = await find_session(connection, digest)
        return check_session(row.session if row is not None and await self._made(row) else None, now)

    async def by_session(self, text: str, now: dt.datetime, certificate: str | None = None) -> Principal:
        """Who is logged in to the console, by a credential that counts still; raises as the others.

        The token that a login was made for is not seen again: the login ends when the token would.
        """
        session = await self.session(text, now)
        see_bound(session.certificate, certificate)
        if session.key_id is None:
            return await self.by_subject(session.issuer or "", session.subject or "")
        row, access = await asyncio.gather(self._api_key(session.key_id), self._keeper.current())
        if row is None or not await self._made(row):
            raise NotAuthenticated("invalid_key", "the API key is not one of ours")
        return _acting(access, check_counts(row.key, now))

    async def _api_key(self, key_id: str | None) -> people.ApiKeyRow | None:
        if key_id is None:
            return None
        async with self._database.session(clean=True) as connection:
            return await people.find_api_key(connection, key_id)

    async def _made(self, row: VouchedRow) -> bool:
        """Whether the platform made a row as it stands."""
        if self._voucher is None:
            self._voucher = await asyncio.to_thread(self._identity.voucher)
        if not self._voucher.is_ours(row):
            # Not known yet, or not ours.
            await asyncio.to_thread(self._voucher.learn, [row])
        return self._voucher.is_ours(row)


def _acting(access: Access, key: ApiKey) -> Principal:
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
