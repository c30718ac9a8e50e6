"""Vouching for rows of access control, in the process that has the key: only for what is checked here by itself."""

import asyncio
import datetime as dt
from dataclasses import replace

import msgspec

from agents.access.catalogue_keeper import CatalogueKeeper
from agents.access.keeper import registered_people
from agents.access.policy_keeper import PolicyKeeper
from agents.platform.identity import Identity
from agents.platform.vouching import Voucher
from agents.release import Askers, Refusal, ReleaseRefused
from schemas.errors import SealstreamError, StorageError, Unavailable
from sealstream.people.relying_party import relying_party
from sealstream.release import messages
from sealstream.settings import Settings
from security.access.assertion import RelyingParty
from streams.storage.database import Database


class VouchingDesk:
    """Answers what is asked about rows of people, policies and the catalogue.

    Args:
        askers: Says who asks.
    """

    def __init__(self, settings: Settings, database: Database, identity: Identity, askers: Askers) -> None:
        self._settings = settings
        self._database = database
        self._identity = identity
        self._askers = askers
        self._held: Voucher | None = None

    async def answer(self, what: messages.AskVouched | messages.AskAdopted | messages.AskFirstKey) -> messages.Answer:
        """The answer.

        Raises:
            ReleaseRefused: It is not vouched for.
        """
        if self._held is None:
            self._held = await asyncio.to_thread(Voucher, self._identity.keyring)
        voucher = self._held
        match what:
            case messages.AskVouched(rows=rows):
                return messages.Vouched([voucher.fits((kind, agreed), mac) for kind, agreed, mac in rows])
            case messages.AskFirstKey():
                return messages.Mac(await self._first_key(what, voucher))
            case messages.AskAdopted():
                return messages.Mac(await self._adopted(what, voucher))

    async def _first_key(self, asked: messages.AskFirstKey, voucher: Voucher) -> bytes:
        who = await self._askers.identified(asked.proof, dt.datetime.now(dt.UTC))
        async with self._database.session(clean=True) as connection:
            person = (await registered_people(connection, voucher)).get(who.person)
        if person is None or person.jwk is not None or not person.active:
            raise ReleaseRefused(Refusal.DECIDED_OTHERWISE)
        return voucher.person(replace(person, jwk=asked.jwk)).mac

    async def _adopted(self, asked: messages.AskAdopted, voucher: Voucher) -> bytes:
        party = self._party(asked.party)
        try:
            if asked.entry is None:
                policies = PolicyKeeper(self._database, self._identity, party=party)
                return voucher.policy(await policies.adoptable(asked.act, voucher))
            entries = CatalogueKeeper(self._database, self._identity, party=party)
            return voucher.entry(await entries.adoptable(*asked.entry, asked.act, voucher))
        except (ReleaseRefused, Unavailable, StorageError):
            raise
        except (SealstreamError, msgspec.MsgspecError) as exc:
            raise ReleaseRefused(Refusal.DECIDED_OTHERWISE) from exc

    def _party(self, said: messages.Party | None) -> RelyingParty | None:
        """Whose console authenticators sign for: in production that of our own settings."""
        if self._settings.env == "production" or self._settings.console_url:
            return relying_party(self._settings, tls=True)
        return None if said is None else RelyingParty(said.rp_id, said.origins)
