"""What is wrong with packets, said to a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..harness.cluster import CLIENTS
from ..harness.cluster.impairment import Impairment
from . import words

Links = set[tuple[str, str]]


def fault(kind: str, parameters: Mapping[str, Any], nodes: Sequence[str]) -> str | None:
    """``packets: 30 % lost, 47 ms late on links of n4``; ``None`` if it is no such fault."""
    links = _links(parameters.get("links"))
    if not links or not isinstance(parameters.get("fault"), str):
        return None
    try:
        impairment = msgspec.convert(parameters.get("impairment", {}), Impairment)
    except msgspec.ValidationError:
        return None
    what = _said(impairment) or ("connections reset" if parameters["fault"] == "reset" else "")
    return words.printable(f"{kind}: {what} {_where(links, nodes)}", 200)


def _links(given: Any) -> Links:
    if not isinstance(given, list | tuple):
        return set()
    pairs = [pair for pair in given if isinstance(pair, list | tuple) and len(pair) == 2]
    return {(str(a), str(b)) for a, b in pairs}


def _said(wrong: Impairment) -> str:
    parts = ["nothing passes"] if wrong.loss >= 1 else []
    for share, word in (
        (wrong.loss if wrong.loss < 1 else 0, "lost"),
        (wrong.duplicate, "doubled"),
        (wrong.corrupt, "corrupted"),
        (wrong.garble, "garbled unnoticed"),
    ):
        if share:
            parts.append(f"{share:.3g} of packets {word}")
    if wrong.delay_ms:
        jitter = f" ± {wrong.jitter_ms:g} ({wrong.distribution})" if wrong.jitter_ms else ""
        but = f" but {wrong.reorder:.3g} of them" if wrong.reorder else ""
        parts.append(f"{wrong.delay_ms:g}{jitter} ms late{but}")
    if wrong.rate_kbit:
        parts.append(f"{wrong.rate_kbit:g} kbit/s")
    if wrong.ports:
        parts.append(f"of ports {', '.join(map(str, wrong.ports))} alone")
    return ", ".join(parts)


def _where(links: Links, nodes: Sequence[str]) -> str:
    if len(links) == 1:
        ((source, target),) = links
        return f"on {source}→{target}"
    ends = {end for link in links for end in link}
    if len(links) == len(ends) * (len(ends) - 1) and set(nodes) <= ends:
        return "everywhere" if CLIENTS in ends else "between all nodes"
    common = sorted(set.intersection(*(set(link) for link in links)))
    sources, targets = ({link[at] for link in links} for at in (0, 1))
    if common:
        return f"on links of {common[0]}"
    if not sources & targets:
        return f"from {' '.join(sorted(sources))} to {' '.join(sorted(targets))}"
    return f"on {len(links)} links of {' '.join(sorted(ends))}"
