"""Who signed an act: somebody who is registered now, with a key of their own; and acting as them."""

import asyncio
from collections.abc import Mapping

from agents.platform.identity import Identity
from agents.platform.signatory import Signatory
from agents.platform.vouching import Vouching
from schemas.leaf import AccessChange
from security.access.approval import ApprovalRefused, SignedAct
from security.access.assertion import RelyingParty, verify_assertion
from security.access.person import Person
from streams.storage.database import Database


def signer_of(act: SignedAct, known: Mapping[str, Person], origin: str, party: RelyingParty | None) -> Person:
    """Whose signature it is.

    Args:
        known: Everybody who is registered, by id.
        origin: Of the log that gets the leaf.
        party: As for `agents.access.approvals.Approvals`.

    Raises:
        ApprovalRefused: Nobody is here who could have signed.
        BadAssertion: They did not.
    """
    person = known.get(act.person)
    if person is None or person.jwk is None or not person.active:
        raise ApprovalRefused("unknown_person", "nobody is registered whose key could have signed this")
    verify_assertion(origin, act.change, person.jwk, party)
    return person


def see_signed_for(act: SignedAct, expected: AccessChange, detail: str) -> None:
    """See that what was signed is what is about to be done: the same change of the same thing.

    Raises:
        ApprovalRefused: It is something else.
    """
    said = act.change
    if (said.change, said.digest, said.id) != (expected.change, expected.digest, expected.id):
        raise ApprovalRefused("another_request", detail)


def see_another_unit(proposer: Person | None, approver: Person, detail: str) -> None:
    """See that somebody adopts what somebody of another unit, who is still here, proposed.

    Raises:
        ApprovalRefused: It is not so.
    """
    if proposer is None or proposer.unit == approver.unit or proposer.person == approver.person:
        raise ApprovalRefused("same_unit", detail)


async def acting_as_signer(
    database: Database, identity: Identity, act: SignedAct, tenant: str
) -> tuple[Signatory, Vouching]:
    """What writes an act into a tenant's log as whoever signed it, and what says which rows are the platform's."""
    signatory = Signatory(database, identity, actor=act.person)
    await signatory.prepare({tenant})
    return signatory, await asyncio.to_thread(identity.voucher)
