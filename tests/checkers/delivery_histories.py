"""Histories of messages, written down briefly."""

from duress.harness.history import History
from duress.harness.operation import Operation


class Record:
    """Operations one after the other, each by a process of its own."""

    def __init__(self):
        self.history = History()
        self._process = 0

    def both(self, f, value, told, node, kind="ok"):
        """An invocation and its completion."""
        process = self.begin(f, value)
        self.end(process, f, told, node, kind)

    def begin(self, f, value):
        """An invocation; returns its process."""
        process, self._process = self._process, self._process + 1
        self._add(process, "invoke", f, value, None)
        return process

    def end(self, process, f, told, node, kind="ok"):
        """Its completion."""
        self._add(process, kind, f, told, node)

    def _add(self, process, kind, f, value, node):
        time = len(self.history) * 1_000_000
        self.history.append(Operation(-1, time, process, kind, f, value, node=node))

    def send(self, node, to, message, kind="ok"):
        value = {"to": to, "message": message}
        self.both("send", value, value, node, kind)

    def broadcast(self, node, message, kind="ok"):
        self.both("broadcast", message, message, node, kind)

    def read(self, node, log, start=0, at_last=False):
        """A node tells its log, ``[(sender, message), …]``, from a position on."""
        told = {"from": start, "messages": [list(e) for e in log[start:]], "length": len(log)}
        self.both("all-delivered" if at_last else "delivered", None, told, node)


def names(verdict):
    return {anomaly.name for anomaly in verdict.anomalies}
