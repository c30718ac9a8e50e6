"""What every act that somebody signed with their own key has, as it is sent; which acts there are, their routes say."""

from pydantic import Field

from schemas.leaf import AccessChange
from sealstream.api.problems import Problem
from sealstream.api.shapes import Body
from security.access.access_request import moment
from security.access.approval import SignedAct
from security.access.assertion import MAX_ASSERTION
from security.access.principal import Principal

MOMENT_FORM = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$"


class SignedMembers(Body):
    """The members of all of them.

    Attributes:
        change: What is done; each form names its own.
    """

    change: str
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    at: str = Field(pattern=MOMENT_FORM)
    key: str = Field(pattern="^[A-Za-z0-9_-]{43}$")
    assertion: str = Field(min_length=1, max_length=MAX_ASSERTION)


def act_of(who: Principal, body: SignedMembers) -> SignedAct:
    """The act, as of who sent it.

    Raises:
        Problem: It was signed at no time.
    """
    try:
        moment(body.at)
    except ValueError:
        raise Problem(422, "invalid_request", "`at` is no moment") from None
    return SignedAct(who.person, AccessChange(**body.model_dump()))
