"""ISO 20022 bank-to-customer statements (camt.053, every version, in any wrapper).

`decode_statement` is all there is from outside. Within: `layout` says what elements may hold, `values` reads texts,
`content` reads elements by the layout, `document` finds the message, `entry`, `parties` and `balance` give the parts
their meaning. Other messages of the family (camt.052, camt.054, pain, pacs) are recognised and refused.
"""

from schemas.camt.statement import decode_statement

__all__ = ["decode_statement"]
