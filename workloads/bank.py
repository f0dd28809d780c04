"""Transfers between accounts and reads of all of them: money is neither made nor lost.

The oldest test of transactions: a store that lets a read see one half of a transfer (read skew), or
lets two transfers overwrite each other (lost update), shows a wrong total; one that checks the
balance outside of the transaction overdraws an account.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

from ..checkers.bank import Bank
from ..harness.checker import Checker
from ..harness.errors import UserError
from ..harness.generator import PENDING, Context, Generator, each_thread
from ..harness.operation import Operation
from ..harness.option_values import flag, share, whole


class Transfers(Generator):
    """Reads of all accounts, and transfers of some money from one to another."""

    __slots__ = ("_accounts", "_most", "_reads")

    ignores_updates = True

    def __init__(self, accounts: int, most: int, reads: float) -> None:
        self._accounts = accounts
        self._most = most
        self._reads = reads

    def op(self, context: Context) -> Any:
        """One more of them by some free process."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        random = context.random
        if random.random() < self._reads:
            return Operation(-1, context.time, process, "invoke", "read"), self
        source = int(random.random() * self._accounts)
        target = (source + 1 + int(random.random() * (self._accounts - 1))) % self._accounts
        amount = 1 + int(random.random() * self._most)
        value = {"from": source, "to": target, "amount": amount}
        return Operation(-1, context.time, process, "invoke", "transfer", value), self


class BankWorkload:
    """Transfers between accounts and reads of all: the total stays, nothing is overdrawn."""

    name: ClassVar[str] = "bank"
    options: ClassVar[Mapping[str, str]] = {
        "accounts": "how many accounts there are (default 8)",
        "balance": "what each account holds at first (default 10)",
        "total": "what the accounts hold together (default accounts x balance)",
        "max-transfer": "the largest amount of a transfer (default 5)",
        "negative-balances": "whether an account may be overdrawn (default false)",
        "read-share": "share of operations that read (default 0.5)",
    }

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        accounts = whole(options, "accounts", 8, 2)
        balance = whole(options, "balance", 10, 1)
        most = whole(options, "max-transfer", 5, 1)
        reads = share(options, "read-share", 0.5)
        if reads == 0.0:
            raise UserError("read-share: expected more than 0: only reads are judged")
        self._operations = Transfers(accounts, most, reads)
        self._checker = Bank(
            total=whole(options, "total", accounts * balance),
            accounts=[str(account) for account in range(accounts)],
            negative_balances=flag(options, "negative-balances", False),
        )

    def generator(self) -> Generator:
        """Reads and transfers by whoever is free."""
        return self._operations

    def final_generator(self) -> Generator | None:
        """Everyone reads once more."""
        return each_thread({"f": "read"})

    def checkers(self) -> Mapping[str, Checker]:
        """Total, accounts and balances of every read."""
        return {"bank": self._checker}
