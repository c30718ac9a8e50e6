"""The parties of a sample: the accounts whose movements are published, and everybody who pays or is paid."""

from random import Random
from typing import get_args

from sealstream.samples.parties import Party, Script, make_party

_ACCOUNTS = 12
_COUNTERPARTIES = 600
_CURRENCIES = {"GB": "GBP", "CH": "CHF", "SE": "SEK"}


class World:
    """Who there is. Accounts belong to companies, one in four of them Chinese."""

    def __init__(self, rng: Random) -> None:
        scripts: tuple[Script, ...] = ("latin", "latin", "latin", "chinese")
        self.accounts = [make_party(rng, scripts[n % len(scripts)], business=True) for n in range(_ACCOUNTS)]
        self._counterparties: dict[Script, list[Party]] = {
            script: [make_party(rng, script) for _ in range(_COUNTERPARTIES // 2)] for script in get_args(Script)
        }

    def account(self, rng: Random) -> Party:
        """Any of the accounts."""
        return rng.choice(self.accounts)

    def counterparty(self, rng: Random, account: Party) -> Party:
        """Somebody who deals with that account: mostly from the same part of the world."""
        near = account.script
        far: Script = "latin" if near == "chinese" else "chinese"
        return rng.choice(self._counterparties[near if rng.random() < 0.92 else far])


def currency_of(account: Party) -> str:
    """The currency an account is kept in."""
    return "CNY" if account.script == "chinese" else _CURRENCIES.get(account.iban[:2], "EUR")
