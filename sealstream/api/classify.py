"""The route that classifies a transaction for its caller: nothing is stored, and nothing but a count is kept."""

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, Field

from agents.inference.engine import InferenceFailed
from agents.inference.transaction_kind import model_input
from schemas.transaction_json import decode_transaction
from sealstream.api.authentication import PartsOf, permitted
from sealstream.api.classifying import ClassifierBusy
from sealstream.api.problems import RETRY, Problem
from sealstream.api.shapes import Body
from security.access.principal import Action, Principal, Role

router = APIRouter(prefix="/v1", tags=["classify"])

Asking = Annotated[Principal, permitted(Action.READ, Role.READER, Role.OPERATOR)]

_Line = Annotated[str, Field(max_length=256)]
_Text = Annotated[str, Field(max_length=4_096)]


class ClassifyBody(Body):
    """What the model sees of a transaction; members as those of `io.sealstream.transaction.v1`."""

    amount: Annotated[str, Field(pattern=r"^\d{1,13}(\.\d{1,5})?$")]
    credit_debit: Literal["CRDT", "DBIT"] | None = None
    counterparty_name: _Line | None = None
    remittance_information: _Text | None = None
    additional_information: _Text | None = None
    purpose: _Line | None = None


class Classification(BaseModel):
    """The model's answer.

    Attributes:
        model: Which one, as results and leaves name it.
        confidence: The model's probability of the label.
    """

    label: str
    confidence: float
    model: str


@router.post("/classify", operation_id="classify")
async def classify(_: Asking, parts: PartsOf, body: ClassifyBody) -> Classification:
    """The kind of one transaction, by the model that is in force."""
    # The same reading as a producer's event: what that refuses has no answer here either.
    item = model_input(decode_transaction(msgspec.json.encode(body.model_dump(exclude_none=True))))
    try:
        model, decision = await parts.inline.classify(item)
    except ClassifierBusy:
        raise Problem(503, "busy", "too many callers wait for the model; try again", RETRY) from None
    except InferenceFailed:
        raise Problem(422, "inference_failed", "the model has no answer for this transaction") from None
    parts.metrics.classified.labels(model.partition(" ")[0]).inc()
    return Classification(label=decision.label, confidence=round(decision.confidence, 4), model=model)
