"""Made-up transactions as the transaction-kind model sees them, and the split of wordings into seen and unseen."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from agents.inference.engine import ModelInput
from agents.inference.transaction_kind import model_input
from schemas.transaction import Transaction
from sealstream.samples.bank_wordings import BANK_WORDINGS, Wordings
from sealstream.samples.narratives import make_narrative
from sealstream.samples.parties import make_party

# Share of the transfers with text that get words made of halves of banks' words. Without them, a new word that shares
# a few letters with "interest" or "return" is taken for it; a plain transfer is the better guess.
MIXED_SHARE = 0.05
_GAP_OR_NO_LETTER = re.compile(r"\{\w+\}|[\W\d_]+")

# How often an entry of a kind names the other side: payments mostly do, the bank's own bookings hardly ever.
_NAMED_SHARE: Mapping[str, float] = {
    "credit_transfer_in": 0.6, "credit_transfer_out": 0.6, "direct_debit": 0.6, "standing_order": 0.6, "salary": 0.5,
    "return": 0.5, "tax": 0.25, "cheque": 0.2, "other": 0.15, "card_payment": 0.1,
}  # fmt: skip
# ISO 20022 purpose codes as payers use them; most entries have none.
_PURPOSES: Mapping[str, tuple[str, ...]] = {
    "credit_transfer_in": ("OTHR", "SUPP", "GDDS", "CBFF", "TRAD", "SCVE"),
    "credit_transfer_out": ("OTHR", "SUPP", "GDDS", "SCVE", "INTC", "RENT"),
    "direct_debit": ("OTHR", "INSU", "ELEC", "PHON", "GASB"),
    "salary": ("SALA", "PAYR", "BONU"),
    "tax": ("TAXS", "VATX"),
    "fee": ("BKFE", "COMM"),
    "interest": ("INTE",),
    "other": ("SECU", "LOAN", "DIVI", "CASH"),
}


@dataclass(frozen=True, slots=True)
class Examples:
    """Inputs and their kinds, index by index."""

    inputs: list[ModelInput]
    kinds: list[str]


def make_examples(count: int, seed: int, bank_wordings: Wordings = BANK_WORDINGS, mixed_share: float = 0.0) -> Examples:
    """Made-up transactions as the model sees them; the same arguments give the same examples.

    Args:
        count: How many.
        seed: Of every choice.
        bank_wordings: The banks' phrases to use.
        mixed_share: Share of the transfers with text that get words mixed from two of the phrases' words.
    """
    rng = Random(seed)  # noqa: S311  # nothing secret: examples must repeat
    vocabulary = _vocabulary(bank_wordings)
    inputs, kinds = [], []
    for _ in range(count):
        party = make_party(rng)
        narrative = make_narrative(rng, party, bank_wordings=bank_wordings)
        text = narrative.text
        if text and narrative.kind.startswith("credit_transfer") and rng.random() < mixed_share:
            mixed = " ".join(_mixed_word(rng, vocabulary) for _ in range(rng.randint(1, 5)))
            text = mixed if rng.random() < 0.5 else f"{text} {mixed}"
        purposes = _PURPOSES.get(narrative.kind, ())
        transaction = Transaction(
            amount=narrative.amount,
            credit_debit=narrative.credit_debit if rng.random() < 0.98 else None,
            additional_information=text or None,
            counterparty_name=party.name if rng.random() < _NAMED_SHARE.get(narrative.kind, 0.03) else None,
            purpose=rng.choice(purposes) if purposes and rng.random() < 0.08 else None,
        )
        inputs.append(model_input(transaction))
        kinds.append(narrative.kind)
    return Examples(inputs, kinds)


def _vocabulary(bank_wordings: Wordings) -> list[str]:
    phrases = (phrase for kind in bank_wordings.values() for language in kind.values() for phrase in language)
    return sorted({word for phrase in phrases for word in _GAP_OR_NO_LETTER.sub(" ", phrase).split() if len(word) > 2})


def _mixed_word(rng: Random, vocabulary: list[str]) -> str:
    """The head of one word and the tail of another."""
    head, tail = rng.choice(vocabulary), rng.choice(vocabulary)
    return head[: rng.randint(1, len(head) - 1)] + tail[rng.randint(1, len(tail) - 1) :]


def split_wordings(seed: int) -> tuple[Wordings, Wordings]:
    """Three quarters of the banks' phrases of every kind and language, and the rest (all, where there are too few)."""
    rng = Random(seed)  # noqa: S311  # nothing secret: the split must repeat
    kept: dict[str, dict[str, tuple[str, ...]]] = {kind: {} for kind in BANK_WORDINGS}
    held: dict[str, dict[str, tuple[str, ...]]] = {kind: {} for kind in BANK_WORDINGS}
    for kind, languages in BANK_WORDINGS.items():
        for language, phrases in languages.items():
            shuffled = rng.sample(phrases, len(phrases))
            cut = len(shuffled) // 4
            kept[kind][language] = tuple(shuffled[cut:])
            held[kind][language] = tuple(shuffled[:cut] or shuffled)
    return kept, held
