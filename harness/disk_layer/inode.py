"""Files, folders and links below the disk layer, by descriptors."""

from __future__ import annotations

import errno
import os
import stat

from .written import Written


class Inode:
    """A file, folder or link that somebody knows.

    ``fd``       stands for it, whatever its name is. ``opens``: by how many it is held open.
    ``written``  what of it is not synced.
    """

    __slots__ = (
        *("__weakref__", "data", "fd", "is_file", "is_folder", "is_spared"),
        *("number", "opens", "written"),
    )

    def __init__(self, fd: int, seen: os.stat_result) -> None:
        self.fd = fd
        self.number = seen.st_ino
        self.is_folder = stat.S_ISDIR(seen.st_mode)
        self.is_file = stat.S_ISREG(seen.st_mode)
        self.is_spared = False
        self.data = -1
        self.opens = 0
        self.written = Written()

    def __del__(self) -> None:
        for fd in (self.fd, self.data):
            if fd >= 0:
                os.close(fd)

    @property
    def path(self) -> str:
        """Where it can be opened, for this process."""
        return f"/proc/self/fd/{self.fd}"

    def stat(self) -> os.stat_result:
        """What the folder below says of it."""
        return os.stat(self.fd)  # noqa: PTH116 - a descriptor

    def open(self) -> int:
        """Its content, to be read and written."""
        if self.data < 0:
            try:
                self.data = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.ETXTBSY, errno.EROFS):
                    raise
                self.data = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        return self.data

    def rest(self) -> None:
        """Let go of its content, if nobody needs it."""
        if self.data >= 0 and not self.opens and not self.written.is_dirty:
            os.close(self.data)
            self.data = -1
