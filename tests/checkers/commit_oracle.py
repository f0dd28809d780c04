"""AC1 to AC5 straight from their definitions, for small histories: every pair of everything."""

DECIDED = ("committed", "aborted")
UNDECIDED = ("prepared", "precommitted")
AT_ONCE_NS = 400_000_000


def violations(history, quiet_ns):
    """All ``(name, transaction)`` in a history whose begins are distinct."""
    begins, seen, last = {}, [], {}
    for asked, told in history.pairs():
        done = told is not None and told.type == "ok"
        if asked.f == "begin" and not (told is not None and told.type == "fail"):
            begins[asked.value["txn"]] = (asked, told if done else None)
            if done:
                seen.append((asked.value["txn"], told.node, told.value["outcome"], asked, told))
        elif asked.f == "state" and done:
            seen.append((told.value["txn"], told.node, told.value["state"], asked, told))
        elif asked.f == "states" and done:
            for state in ("unknown", *UNDECIDED, *DECIDED):
                listed = told.value.get(state, ())
                seen += [(txn, told.node, state, asked, told) for txn in listed]
            if told.node not in last or last[told.node].index < told.index:
                last[told.node] = told
    found = set()
    for a in seen:
        for b in seen:
            if a[0] == b[0] and a[2] in DECIDED:
                if a[1] != b[1] and b[2] in DECIDED and a[2] != b[2]:
                    found.add(("AC1-agreement", a[0]))
                later = b[2] in DECIDED or a[4].index < b[3].index
                if a[1] == b[1] and a[2] != b[2] and later:
                    found.add(("AC2-stability", a[0]))
    committed = {txn for txn, _, state, _, _ in seen if state == "committed"}
    for txn in committed:
        if txn not in begins or begins[txn][0].value.get("refusals"):
            found.add(("AC3-validity", txn))
    for txn, (asked, told) in begins.items():
        if told is not None and told.value["outcome"] == "aborted":
            quick = told.time - asked.time < AT_ONCE_NS and not asked.value.get("refusals")
            if quick and not struck(history, asked.time - quiet_ns, told.time):
                found.add(("AC4-non-triviality", txn))
    for told in last.values():
        for txn in {*begins, *(each[0] for each in seen)}:
            states = [
                state for state, txns in told.value.items() if state != "from" and txn in txns
            ]
            missing = not states and txn >= told.value.get("from", 0)
            unheard_of = txn in committed and (missing or states == ["unknown"])
            if set(states) & set(UNDECIDED) or unheard_of:
                found.add(("AC5-termination", txn))
    return found


def struck(history, since, until):
    """Whether a fault was active at any moment of a time, by its ids."""
    open_, began = {}, None
    for operation in history.nemesis():
        if operation.type == "invoke":
            began = operation.time
        elif operation.f == "inject":
            open_[operation.value["id"]] = began
        else:
            for fault in operation.value:
                if open_.pop(fault["id"]) <= until and operation.time >= since:
                    return True
    return any(at <= until for at in open_.values())
