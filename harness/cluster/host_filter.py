"""What a host drops: packets from some peers, and packets to clients. Runs on the host itself."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from . import netfilter

_INSTALL = """\
table inet {table} {{
}}
delete table inet {table}
table inet {table} {{
    set from {{
        type ipv4_addr
    }}
    set to {{
        type ipv4_addr
    }}
    chain incoming {{
        type filter hook input priority -300; policy accept;
        iif lo accept
        tcp dport {port} accept
        ip saddr @from drop
    }}
    chain outgoing {{
        type filter hook output priority -300; policy accept;
        oif lo accept
        tcp sport {port} accept
        ip daddr @to drop
    }}
}}
"""


class HostFilter:
    """The nftables table of one trial on this host.

    A link is cut where its packets arrive, since a drop where they leave shows as an error to
    datagrams; only links to the harness, whose firewall is not ours, are cut where they leave.
    The port of ssh stays open: the harness must be able to heal what it has cut.
    """

    def __init__(self, trial_id: str, ssh_port: int) -> None:
        self.table = netfilter.table_name(trial_id)
        self._backend = netfilter.open_backend()
        self._backend.run(_INSTALL.format(table=self.table, port=int(ssh_port)))

    @property
    def backend(self) -> str:
        """What applies the rules, for the record: ``libnftables`` or ``nft``."""
        return self._backend.name

    def cut(self, sources: Iterable[str], targets: Iterable[str]) -> None:
        """Drop exactly what comes from these and goes to those, in one transaction."""
        commands = ""
        for name, addresses in (("from", sources), ("to", targets)):
            commands += f"flush set inet {self.table} {name}\n"
            if listed := ", ".join(str(each) for each in sorted(map(IPv4Address, addresses))):
                commands += f"add element inet {self.table} {name} {{ {listed} }}\n"
        self._backend.run(commands)

    def remove(self) -> None:
        """Delete the table. Idempotent."""
        self._backend.run(f"table inet {self.table} {{\n}}\ndelete table inet {self.table}\n")
