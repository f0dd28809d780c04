"""Puts the layer over a folder, in the mount namespace of a process.

The folder is opened first, so that it can still be reached below the mount. The mount is there for
that namespace alone and goes with it. Works for root and, inside a user namespace, for its root
(fuse(4); Linux 4.18).
"""

from __future__ import annotations

import ctypes
import os

_MS_NOSUID, _MS_NODEV = 2, 4
_CLONE_NEWNS = 0x00020000
SOURCE = "duress-disk"


def mount_over(pid: int, directory: str) -> tuple[int, int]:
    """Mount; ``(descriptor of the device, descriptor of the folder below)``.

    ``pid`` is a process of the mount namespace, 0 for this one's. Raises ``OSError`` that says
    what was refused.
    """
    whole = f"/proc/{pid}/root{directory}" if pid else directory
    below = os.open(whole, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC) if pid else -1
    told, tell = os.pipe()
    child = os.fork()  # for whoever joins a mount namespace loses sight of its own files
    if child == 0:
        try:
            _mount(device, namespace, directory)
        except OSError as error:
            os.write(tell, f"{error.errno or 0} {error.strerror or error}".encode())
        finally:
            os._exit(0)
    os.close(tell)
    with os.fdopen(told, "rb") as answer:
        refused = answer.read().decode()
    os.waitpid(child, 0)
    if namespace >= 0:
        os.close(namespace)
    if refused:
        number, _, text = refused.partition(" ")
        raise OSError(int(number), text)
    return device, below


def _mount(device: int, namespace: int, directory: str) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if namespace >= 0 and library.setns(namespace, _CLONE_NEWNS) != 0:
        _refuse("setns")
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
    done = library.mount(
        SOURCE.encode(),
        directory.encode(),
        b"fuse.duress",
        ctypes.c_ulong(_MS_NOSUID | _MS_NODEV),
        options.encode(),
    )
    if done != 0:
        _refuse(f"mount of FUSE at {directory}")


def _refuse(what: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")
