"""Logging people in to the console, where the platform's keys are. Who is logged in: agents.access.authentication."""

import asyncio
import datetime as dt
import os
from dataclasses import dataclass, field
from typing import Protocol

from agents.access.authentication import Authenticator
from agents.platform.identity import Identity
from agents.platform.vouching import Voucher
from security.access.presented import Means, Presented
from security.access.principal import NotAuthenticated
from security.access.session import LIFETIME, ConsoleSession, new_session_secret
from streams.storage.database import Database
from streams.storage.sessions import insert_session


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A login, as the browser keeps it.

    Attributes:
        text: Secret.
        ends: When it ends by itself.
    """

    text: str = field(repr=False)
    ends: dt.datetime


class OpensSessions(Protocol):
    """Logs people in."""

    async def open_session(self, proof: Presented, now: dt.datetime) -> OpenedSession:
        """Make a login for a credential that counts.

        Raises:
            NotAuthenticated: It is none, where that is found out here.
        """
        ...


class Sessions:
    """Makes logins: their rows carry the platform's MAC, so that no other process can."""

    def __init__(self, database: Database, identity: Identity, authenticator: Authenticator) -> None:
        self._database = database
        self._identity = identity
        self._authenticator = authenticator

    async def open_session(self, proof: Presented, now: dt.datetime) -> OpenedSession:
        """Make a login for a credential that counts.

        Raises:
            NotAuthenticated: It is none.
            AccessUnavailable: Who is registered can't be found out now.
        """
        text, digest = new_session_secret(os.urandom)
        latest = now + LIFETIME
        if proof.means is Means.TOKEN:
            proved = await self._authenticator.prove(proof.text, now, proof.certificate)
            await self._authenticator.by_subject(proved.issuer, proved.subject)
            session = ConsoleSession(
                digest=digest,
                issuer=proved.issuer,
                subject=proved.subject,
                certificate=proved.certificate,
                created=now,
                ends=min(latest, proved.expires),
            )
        elif proof.means is Means.API_KEY:
            who = await self._authenticator.principal(proof, now)
            session = ConsoleSession(digest=digest, key_id=who.credential, created=now, ends=latest)
        else:
            raise NotAuthenticated("invalid_token", "a login is made for an access token or an API key")
        voucher = await asyncio.to_thread(Voucher, self._identity.keyring)
        async with self._database.session(clean=True) as connection:
            await insert_session(connection, voucher.session(session))
        return OpenedSession(text, session.ends)
