"""A process that weighs on a resource, to make it run short and to see that it is.

Run as ``python -I -S -c <this text> WORD GROUPS …`` where GROUPS are the ``cgroup.procs`` of the
control groups to be in, joined by ``:`` (or nothing)::

    burn GROUPS SECONDS   compute so long; prints {"used_s", "took_s"}: of a processor, by the clock
    hog GROUPS BYTES      take memory bit by bit, up to so much, and keep it until killed
    fork GROUPS LIMIT     fork once, with so many processes allowed to its user (0: as many as it
                          may); prints {"refused": whether that failed for want of room}

It dies with whoever started it. Standard library only; Python 3.9 or later.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import sys
import time

STEP_BYTES = 1 << 18
PATIENCE_S = 20


def burn(seconds):
    """Compute."""
    began_s, used_s = time.monotonic(), time.process_time()
    while time.monotonic() - began_s < seconds:
        pass
    took_s = time.monotonic() - began_s
    return {"used_s": time.process_time() - used_s, "took_s": took_s}


def hog(size):
    """Take memory, and keep it for some seconds."""
    # In a file that it has not mapped: it counts for the group, and does not make the hog larger
    # in the eyes of the kernel, which is to kill somebody else.
    file = os.memfd_create("hog")
    step = b"x" * STEP_BYTES
    ends_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_s:
        if os.fstat(file).st_size < size:
            try:
                os.write(file, step)
            except OSError as error:
                if error.errno not in (errno.ENOMEM, errno.EINTR):
                    raise
        time.sleep(0.0005)
    return {}


def fork(limit):
    """Fork, and see whether that is refused."""
    if limit:
        resource.setrlimit(
            resource.RLIMIT_NPROC, (int(limit), resource.getrlimit(resource.RLIMIT_NPROC)[1])
        )
    try:
        pid = os.fork()
    except OSError as error:
        if error.errno != errno.EAGAIN:
            raise
        return {"refused": True}
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return {"refused": False}


def main(word, groups, amount):
    """Die with the parent, join, do it, tell."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(2 * PATIENCE_S)
    for path in filter(None, groups.split(":")):
        with open(path, "w") as file:  # noqa: PTH123
            file.write("0")
    work = {"burn": burn, "hog": hog, "fork": fork}[word]
    print(json.dumps(work(float(amount))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
