"""A file system between a program and its disk, which loses what a power cut would lose.

It is a process of its own that speaks with the kernel's FUSE driver, needs nothing but Python 3.9
and ``/dev/fuse``, and is mounted over a folder of a node in that node's mount namespace::

    program ── write, fsync ──> kernel ── /dev/fuse ──> the layer ──> the folder below the mount

Everything is in that folder at once, as in an operating system's page cache. The layer remembers
how to undo what was not synced (:mod:`.written`, :mod:`.names`), and a power cut undoes it. Other
troubles of disks are added on the way (:mod:`.trouble`). The parts know nothing of one another's
neighbours: :mod:`.wire` is the kernel's language, :mod:`.volume` files and names, :mod:`.requests`
joins both, :mod:`.server` decides when.
"""
