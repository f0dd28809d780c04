"""Cut links of one bridge: a single nftables table, replaced in single transactions.

Every packet between nodes of a cluster, and between a node and the harness, crosses
the bridge of the cluster, so one table of family ``bridge`` in the network namespace
that owns the bridge rules over all links, and one transaction changes all of them at
one moment. Neither the nodes nor their firewalls are involved, and address resolution
keeps working, so that a healed link works at once. Only IPv4 is cut: the nodes must
have no IPv6 address, not even a link-local one.

Packets from a node are seen at the hook ``prerouting`` (to other nodes and to the
harness alike), those that the harness itself sends at the hook ``output``; a drop at
either is silent: senders see no error, as with a real partition.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import threading
from ipaddress import IPv4Address
from typing import Protocol

from ..errors import InfrastructureError

AddressPair = tuple[str, str]
"""Source and destination, IPv4 addresses as text."""

TABLE_PREFIX = "duress_"
"""Tables of duress, and no others, are named so."""

_INSTALL = """\
table bridge {table} {{
}}
delete table bridge {table}
table bridge {table} {{
    set cut {{
        type ipv4_addr . ipv4_addr
    }}
    chain from_nodes {{
        type filter hook prerouting priority -300; policy accept;
        {only_from_bridge}
        ip saddr . ip daddr @cut drop
    }}
    chain from_harness {{
        type filter hook output priority -300; policy accept;
        {only_to_bridge}
        ip saddr . ip daddr @cut drop
    }}
    {owner}
}}
"""

_OWNER = re.compile(r"chain owner_([0-9A-Za-z_]+) ")


class LinkFilter:
    """The table of one trial, for the bridge ``bridge`` of the current network namespace.

    Methods block for about a millisecond with libnftables, ten with the program ``nft``,
    and raise ``InfrastructureError``. They may be called from any thread; which network
    namespace is meant is settled by the thread that calls the constructor. ``owner`` (letters,
    digits and _) is for :func:`owner_of`.
    """

    def __init__(self, trial_id: str, bridge: str, owner: str = "") -> None:
        self.table = table_name(trial_id)
        self._owner = f"chain owner_{owner} {{ }}" if owner else ""
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,15}", bridge):
            raise InfrastructureError(f"nftables: {bridge!r} is not the name of a bridge")
        self.bridge = bridge
        self.bridge_only = False
        self._backend = open_backend()

    @property
    def backend(self) -> str:
        """What applies the rules, for the record: ``libnftables`` or ``nft``."""
        return self._backend.name

    def install(self) -> None:
        """Make the table with nothing cut, replacing what an earlier call made.

        Afterwards ``bridge_only`` tells whether the kernel could restrict the rules to packets
        of the bridge (CONFIG_NFT_BRIDGE_META). If not, addresses alone choose what is dropped,
        which is the same as long as no other bridge of this machine uses the same addresses.
        """
        try:
            self._backend.run(
                _INSTALL.format(
                    table=self.table,
                    only_from_bridge=f'meta ibrname != "{self.bridge}" accept',
                    only_to_bridge=f'meta obrname != "{self.bridge}" accept',
                    owner=self._owner,
                )
            )
            self.bridge_only = True
        except InfrastructureError as error:
            if "Operation not supported" not in str(error):
                raise
            self._backend.run(
                _INSTALL.format(
                    table=self.table, only_from_bridge="", only_to_bridge="", owner=self._owner
                )
            )
            self.bridge_only = False

    def cut(self, pairs: frozenset[AddressPair]) -> None:
        """Drop exactly the packets of these pairs from now on, in one transaction."""
        self._backend.run(replace_pairs(self.table, pairs))

    def remove(self) -> None:
        """Delete the table. No effect if it is not there."""
        self._backend.run(_deletion(self.table))


def table_name(trial_id: str) -> str:
    """The table of a trial."""
    name = TABLE_PREFIX + trial_id
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,200}", name):
        raise InfrastructureError(
            f"nftables: trial id {trial_id!r} does not fit a table's name; use letters, digits, _.-"
        )
    return name


def replace_pairs(table: str, pairs: frozenset[AddressPair]) -> str:
    """The transaction that makes ``pairs`` the only pairs whose packets are dropped."""
    elements = sorted((IPv4Address(source), IPv4Address(target)) for source, target in pairs)
    commands = f"flush set bridge {table} cut\n"
    if elements:
        listed = ", ".join(f"{source} . {target}" for source, target in elements)
        commands += f"add element bridge {table} cut {{ {listed} }}\n"
    return commands


def list_tables(prefix: str = TABLE_PREFIX) -> list[str]:
    """Names of the bridge tables of this network namespace that begin with ``prefix``."""
    printed = open_backend().run("list tables bridge\n")
    return sorted(re.findall(rf"^table bridge ({re.escape(prefix)}\S*)$", printed, re.MULTILINE))


def owner_of(name: str) -> str | None:
    """What a table says of whose it is; ``None`` if it says nothing or is gone."""
    try:
        printed = open_backend().run(f"list table bridge {name}\n")
    except InfrastructureError:
        return None
    found = _OWNER.search(printed)
    return found[1] if found else None


def remove_table(name: str) -> None:
    """Delete a table that :func:`list_tables` told of. No effect if it is gone already."""
    if not re.fullmatch(rf"{TABLE_PREFIX}[A-Za-z0-9_.-]+", name):
        raise InfrastructureError(f"nftables: {name!r} is not a table of duress, left alone")
    open_backend().run(_deletion(name))


def reason_unavailable() -> str | None:
    """Why links cannot be cut on this machine, or ``None``. Asks for no privilege."""
    try:
        open_backend()
    except InfrastructureError as error:
        return str(error)
    return None


def _deletion(table: str) -> str:
    return f"table bridge {table} {{\n}}\ndelete table bridge {table}\n"  # added first: idempotent


class Backend(Protocol):
    """What applies transactions of nftables in the network namespace it was opened in."""

    name: str

    def run(self, commands: str) -> str:
        """Apply commands as one transaction; what they print."""
        ...


def open_backend() -> Backend:
    """libnftables, or the program ``nft`` without it; ``InfrastructureError`` without both."""
    try:
        return _Library()
    except OSError:
        program = shutil.which("nft", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if program is None:
        raise InfrastructureError(
            "nftables: neither libnftables.so.1 nor the program nft is here; "
            "install Debian's package nftables"
        )
    return _Program(program)


class _Library:
    """libnftables in this process: a context is bound to the namespace it was opened in."""

    name = "libnftables"

    def __init__(self) -> None:
        library = ctypes.CDLL("libnftables.so.1")
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error", "nft_ctx_free"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
        for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
            getattr(library, name).restype = ctypes.c_char_p
        self._library = library
        self._lock = threading.Lock()
        self._context: int | None = library.nft_ctx_new(0)
        if self._context is None:
            raise InfrastructureError("nftables: nft_ctx_new failed; is there memory left?")
        library.nft_ctx_buffer_output(self._context)
        library.nft_ctx_buffer_error(self._context)

    def run(self, commands: str) -> str:
        with self._lock:  # a context serves one thread at a time
            status = self._library.nft_run_cmd_from_buffer(self._context, commands.encode())
            # Reading a buffer empties it, so both are read whatever the status says.
            printed = self._library.nft_ctx_get_output_buffer(self._context) or b""
            complaint = self._library.nft_ctx_get_error_buffer(self._context) or b""
        if status != 0:
            raise _refused("libnftables", complaint.decode(errors="replace"))
        return printed.decode(errors="replace")

    def __del__(self) -> None:
        context = getattr(self, "_context", None)
        if context is not None:
            self._library.nft_ctx_free(context)
            self._context = None


class _Program:
    """The program ``nft``, run anew for every transaction."""

    name = "nft"

    def __init__(self, path: str) -> None:
        self._path = path

    def run(self, commands: str) -> str:
        try:
            done = subprocess.run(
                [self._path, "-f", "-"], input=commands, capture_output=True, text=True, timeout=10
            )
        except subprocess.TimeoutExpired:
            raise InfrastructureError(f"nftables: {self._path} did not end within 10 s") from None
        if done.returncode != 0:
            raise _refused(self._path, done.stderr)
        return done.stdout


def _refused(backend: str, complaint: str) -> InfrastructureError:
    first_line = next((line for line in complaint.splitlines() if line.strip()), "no reason given")
    hint = ""
    if "Operation not permitted" in complaint:
        hint = "; it needs CAP_NET_ADMIN in the namespace that owns the bridge (root on the host)"
    elif "Operation not supported" in complaint or "No such file" in complaint:
        hint = (
            "; was the table removed (`duress clean --all`), or does this kernel lack nftables for "
            "bridges (CONFIG_NF_TABLES_BRIDGE)?"
        )
    return InfrastructureError(f"nftables ({backend}): {first_line.strip()}{hint}")
