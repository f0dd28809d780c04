"""Is money conserved? Every read of a bank's accounts must add up to the same total.

Source of the test: Jepsen's ``bank``. Reads that see one half of a transfer (A5A, read skew:
Berenson et al., "A Critique of ANSI SQL Isolation Levels", SIGMOD 1995) or transfers that
overwrite each other (P4, lost update) change it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from ..harness.errors import UserError
from ..harness.history import History
from ..harness.operation import NEMESIS, Operation
from ..harness.verdict import Anomaly, Verdict
from .one_model import OneModel
from .tally import Tally, shown, strange, who, wishes_of


class Bank(OneModel):
    """Judges ``read`` → ``{"0": 10, "1": 7, …}`` and ``transfer`` ``{"from", "to", "amount"}``.

    ``total``              what the accounts hold together; ``None``: what the first read saw.
    ``accounts``           their names; ``None``: those that the first read saw.
    ``negative_balances``  whether an account may be overdrawn.

    Anomalies: ``wrong-total``, ``negative-balance``, ``unknown-account``, ``missing-balance``
    (an account that a read left out, or saw nothing in).
    """

    model = "bank"
    about = "transfers between accounts and reads of all: every read sees the same total"

    def __init__(
        self,
        total: int | None = None,
        accounts: Iterable[str] | None = None,
        negative_balances: bool = False,
    ) -> None:
        self.total = total
        self.accounts = None if accounts is None else tuple(accounts)
        self.negative_balances = negative_balances

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every read that succeeded."""
        reads, transfers = [], []
        for invoked, completion in history.pairs():
            if invoked.f == "read" and completion is not None and completion.type == "ok":
                if not isinstance(completion.value, dict):
                    return strange(
                        f"operation {completion.index}: a read of a bank gives balances by "
                        f"account, not {shown(completion.value)}"
                    )
                reads.append((invoked, completion))
            elif invoked.f == "transfer":
                transfers.append((invoked, completion))
        statistics = {
            "operations": len(reads) + len(transfers),
            "reads": len(reads),
            "transfers": sum(c is not None and c.type == "ok" for _, c in transfers),
        }
        if not reads:
            return strange("no read of the accounts ever succeeded", statistics)
        return self._judge(reads, transfers, statistics)

    def _judge(self, reads: Sequence[Any], transfers: Sequence[Any], statistics: Any) -> Verdict:
        first = reads[0][1].value
        accounts = frozenset(first if self.accounts is None else self.accounts)
        total = _sum(first) if self.total is None else self.total
        assumed = (
            "" if self.total is not None else f"the total was taken to be {total}, as first read"
        )
        tally, totals, lowest = Tally(), set(), 0
        for invoked, completion in reads:
            balances = completion.value
            reading = _Reading(invoked, completion, transfers)
            known = _sum(balances)
            totals.add(known)
            for account in balances.keys() - accounts:
                tally.add("unknown-account", partial(reading.unknown, account))
            missing = sorted(a for a in accounts if not _is_number(balances.get(a)))
            if missing:
                tally.add("missing-balance", partial(reading.missing, missing))
            elif known != total:
                tally.add("wrong-total", partial(reading.wrong_total, total, known))
            below = {a: b for a, b in balances.items() if _is_number(b) and b < 0}
            lowest = min(lowest, *below.values()) if below else lowest
            if below and not self.negative_balances:
                tally.add("negative-balance", partial(reading.negative, below))
        statistics |= {
            "total": total,
            "accounts": len(accounts),
            "totals_seen": [min(totals), max(totals)],
            "lowest_balance_below_zero": lowest,
        }
        return tally.verdict(statistics, assumed)

    @classmethod
    def for_model(cls, model: str, wishes: Mapping[str, Any]) -> Bank:
        """A checker with options as the command line has them. :class:`UserError` for others."""
        taken = wishes_of(model, wishes, ("total", "accounts", "negative_balances"))
        total, accounts = taken.get("total"), taken.get("accounts")
        allowed = str(taken.get("negative_balances", "false")).lower()
        try:
            total = None if total is None else int(total)
        except (TypeError, ValueError):
            raise UserError(f"total: expected a whole number, got {total!r}") from None
        if allowed not in ("true", "false"):
            raise UserError(f"negative-balances: expected true or false, got {allowed!r}")
        names = None if accounts is None else [a.strip() for a in str(accounts).split(",")]
        return cls(total, names, allowed == "true")


class _Reading:
    """Explains what is wrong with one read."""

    def __init__(self, invoked: Operation, completion: Operation, transfers: Sequence[Any]) -> None:
        self._invoked = invoked
        self._completion = completion
        self._transfers = transfers
        self._who = f"The read of {who(invoked.process, completion.node)}"

    def _anomaly(self, name: str, text: str, also: Sequence[int] = ()) -> Anomaly:
        details = {"balances": self._completion.value}
        return Anomaly(name, text, sorted([self._invoked.index, *also]), details=details)

    def unknown(self, account: str) -> Anomaly:
        """It saw an account that does not exist."""
        text = f"{self._who} saw an account {account} that does not exist."
        return self._anomaly("unknown-account", text)

    def missing(self, accounts: Sequence[str]) -> Anomaly:
        """It saw no balance of some accounts."""
        text = f"{self._who} saw no balance of account {', '.join(accounts)}."
        return self._anomaly("missing-balance", text)

    def negative(self, below: Mapping[str, int]) -> Anomaly:
        """It saw accounts below zero."""
        account, balance = min(below.items(), key=lambda item: item[1])
        text = (
            f"{self._who} saw {balance} in account {account}, which must not be overdrawn: a "
            "transfer went through although the account did not hold enough."
        )
        return self._anomaly("negative-balance", text)

    def wrong_total(self, total: int, seen: int) -> Anomaly:
        """The balances do not add up; a transfer under way may be why."""
        off = abs(seen - total)
        text = f"{self._who} saw {seen} in all accounts together instead of {total}: {off} "
        text += "are missing." if seen < total else "too many."
        halves = [
            invoked
            for invoked, completion in self._transfers
            if _amount(invoked) == off
            and (completion is None or completion.type != "fail")
            and invoked.index < self._completion.index
            and (completion is None or completion.index > self._invoked.index)
        ]
        if not halves:
            return self._anomaly("wrong-total", text)
        half = halves[-1]
        text += (
            f" {who(half.process).capitalize()}'s transfer of {off} from account "
            f"{half.value['from']} to {half.value['to']} was under way: the read may have seen "
            "one half of it."
        )
        return self._anomaly("wrong-total", text, [half.index])


def _amount(transfer: Operation) -> Any:
    is_whole = isinstance(transfer.value, dict) and transfer.process != NEMESIS
    return transfer.value.get("amount") if is_whole else None


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _sum(balances: Mapping[str, Any]) -> int:
    return sum(balance for balance in balances.values() if _is_number(balance))
