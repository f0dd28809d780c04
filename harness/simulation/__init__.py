"""A whole cluster in one process and in virtual time: network, disks and clocks from one seed."""
