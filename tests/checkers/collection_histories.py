"""Small histories of collections, written by hand or drawn."""

from duress.harness.history import History
from duress.harness.operation import Operation


def history(*rows):
    """From ``(process, type, f, value)``, maybe with a node or a key; one row a millisecond."""
    operations = []
    for at, (process, type_, f, value, *more) in enumerate(rows):
        options = dict(zip(("node", "key", "error"), more, strict=False))
        operations.append(Operation(at, at * 1_000_000, process, type_, f, value, **options))
    return History(operations)


def serial(*calls):
    """From ``(f, value, result)`` one after the other; ``result`` ``...``: as invoked, ok."""
    rows = []
    for process, (f, value, *result) in enumerate(calls):
        rows.append((process, "invoke", f, value))
        rows.append((process, "ok", f, result[0] if result else value))
    return history(*rows)


def drawn(random, count, call, complete, processes=3):
    """A history of up to ``count`` calls by a few processes, interleaved at random.

    ``call()`` gives (f, value); ``complete(f, value)`` gives (type, value) of the completion, or
    ``None``: it never comes.
    """
    rows, open_calls, fresh = [], {}, processes
    threads = list(range(processes))
    while count or open_calls:
        thread = random.randrange(processes)
        process = threads[thread]
        if process in open_calls:
            f, value = open_calls.pop(process)
            completion = complete(f, value)
            if completion is None:
                threads[thread], fresh = fresh, fresh + 1
                continue
            rows.append((process, completion[0], f, completion[1]))
            if completion[0] == "info":
                threads[thread], fresh = fresh, fresh + 1
        elif count:
            count -= 1
            open_calls[process] = call()
            rows.append((process, "invoke", *open_calls[process]))
    return history(*rows)
