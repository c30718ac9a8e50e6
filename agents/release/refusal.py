"""Why nothing is released. A refusal says nothing about any value, nor whether there is one."""

from enum import StrEnum

from schemas.errors import SealstreamError


class Refusal(StrEnum):
    """What a request to open something lacks."""

    NO_LOOK = "no_look"
    """The log has no such leaf, or nothing is sealed beside it."""
    NOT_SIGNED = "not_signed"
    """No certified worker signed the commit as it stands."""
    NOT_YOURS = "not_yours"
    """Another process committed it."""
    NOT_NOW = "not_now"
    """It is too old, or of a time that has not come."""
    NOT_COMMITTED_TO = "not_committed_to"
    """What is sealed beside the leaf is not what the leaf commits to."""
    NOT_DECIDED = "not_decided"
    """The look does not name that record, or no decision of it is over these fields."""
    DECIDED_OTHERWISE = "decided_otherwise"
    """By people, policies and approvals as they are now, the decision is another one."""
    NOT_AUTHENTICATED = "not_authenticated"
    """No credential came with it, or it proves nothing here and now."""
    NOT_THEIRS = "not_theirs"
    """The credential is another person's than the look, or not good for that."""
    QUOTA_SPENT = "quota_spent"
    """A request for access covers fewer records than were opened by it and would be now."""
    NOT_SERVED = "not_served"
    """This process has nothing to do with that tenant, domain or purpose."""


class ReleaseRefused(SealstreamError):
    """What is asked for is not opened.

    Attributes:
        reason: Why.
    """

    def __init__(self, reason: Refusal) -> None:
        super().__init__(f"the key release refused ({reason}); what was decided may have changed meanwhile: ask again")
        self.reason = reason
