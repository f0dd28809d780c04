"""Another process's clocks, by way of the code that the kernel put into it to read them.

Programs ask for the time by a page of machine code, the vDSO, which answers without a system call.
Each process has its own copy as soon as that is written to, through ``/proc/PID/mem``. Into the
space behind it goes code that asks the kernel and adds what is wrong (``vdso_clock.s``, to which
the vDSO's functions then jump). So it works for whatever asks the vDSO, programs of Go that know
no C library among them, and for children, which inherit it until they execute something else; not
for those who make the system call themselves. (chaos-mesh does the same, by other means.)

Functions raise ``InfrastructureError``, and ``ProcessLookupError`` where the process, or the memory
that was its own when ``Process`` was made, is not to be reached: it ended, or it has executed
something else. In the midst of that a process has no vDSO yet.
"""

from __future__ import annotations

import os
import platform
import struct
from functools import cache
from typing import NamedTuple

from ..errors import InfrastructureError

CODE = bytes.fromhex(
    "b8e40000000f0585c0754a83ff0b774589f9ba01000000d3e24531c0f7c221090000750ef7c2d2020000742941"
    "b82800000048690600ca9a3b48034608e8ae00000031d2b900ca9a3b48f7f14889064889560831c0c3662e0f1f"
    "840000000000b8600000000f0585c0753f4885ff743a48690700ca9a3b48694f08e80300004801c84531c0e866"
    "00000031d2b900ca9a3b48f7f14889074889d031d2b9e803000048f7f14889470831c0c30f1f440000574883ec"
    "1031ff4889e6b8e40000000f054869042400ca9a3b48034424084883c4105f4531c0e81500000031d2b900ca9a"
    "3b48f7f14885ff7403488907c36690488d1559feffff4c8b4a084e8d540a104d01c2493b027d0b49f7d94e8d54"
    "0a604d01c24889c14989c14d2b0a4c89c849f76a10480facd0204801c149034a084d8b42204d85c074104c89c8"
    "489949f7f8a801750449034a184889c8c3"
)
"""``vdso_clock.s`` assembled, from behind its data on."""

DATA_BYTES = 176
ENTRIES = {
    b"__vdso_clock_gettime": 0,
    b"__vdso_gettimeofday": 0x60,
    b"__vdso_time": 0xB0,
}
"""Functions of the vDSO, and where in ``CODE`` is what takes their place."""

MAGIC = b"duressck"
BLOCK = struct.Struct("<10q")
BLOCKS_AT = (16, 96)
JUMP_BYTES = 5


class Wrong(NamedTuple):
    """What is wrong with one clock from a moment on: a block's five numbers.

    ``began_ns`` by that clock itself, if it were right; ``rate_off`` in units of 2^-32.
    """

    began_ns: int = 0
    ahead_ns: int = 0
    rate_off: int = 0
    strobe_ns: int = 0
    half_period_ns: int = 0


class Image(NamedTuple):
    """A vDSO: how long it is in memory, where its functions are, and where it has room."""

    size: int
    functions: dict[bytes, int]
    free: int


def reason_unavailable() -> str | None:
    """Why clocks of programs cannot be reached on this machine, or ``None``."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return f"needs Linux on x86-64; this is {platform.system()} on {platform.machine()}"
    try:
        with open("/proc/self/mem", "r+b", buffering=0) as memory:  # noqa: PTH123
            start, end = _mapping(os.getpid())
            memory.seek(start)
            image(memory.read(end - start))
    except (InfrastructureError, OSError) as error:
        return f"the vDSO cannot be changed: {error}"
    return None


@cache
def image(content: bytes) -> Image:
    """Read an ELF file of 64 bits as far as it matters here."""
    if content[:5] != b"\x7fELF\x02":
        raise InfrastructureError(
            "vDSO: expected an ELF image of 64 bits; others cannot be changed"
        )
    (section_at,) = struct.unpack_from("<Q", content, 40)
    size, count = struct.unpack_from("<HH", content, 58)
    sections = [
        struct.unpack_from("<IIQQQQIIQQ", content, section_at + i * size) for i in range(count)
    ]
    functions: dict[bytes, int] = {}
    for _, kind, _, _, at, length, link, _, _, entry in sections:
        if kind != 11:  # the table of dynamic symbols
            continue
        names = sections[link][4]
        for symbol in range(at, at + length, entry):
            name, _, _, _, address, _ = struct.unpack_from("<IBBHQQ", content, symbol)
            text = content[names + name : content.index(b"\0", names + name)]
            if text in ENTRIES:
                functions[text] = address
    if missing := sorted(set(ENTRIES) - set(functions)):
        raise InfrastructureError(f"vDSO: no function {missing[0].decode()} in it")
    ends = [section_at + count * size, *(s[4] + s[5] for s in sections if s[1] != 8)]
    free = (max(ends) + 15) & ~15
    room = len(content) - free
    if room < DATA_BYTES + len(CODE):
        raise InfrastructureError(
            f"vDSO: expected {DATA_BYTES + len(CODE)} bytes free behind it, got {room}"
        )
    return Image(len(content), functions, free)


class Process:
    """The clocks of one process; use it as a context manager."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        try:
            self._memory = os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError):
            raise ProcessLookupError(f"process {pid} is gone") from None
        except OSError as error:
            raise InfrastructureError(
                f"process {pid}: cannot open its memory: {error.strerror}"
            ) from None

    def __enter__(self) -> Process:
        try:
            self._start, end = _mapping(self._pid)
            content = self._read(0, end - self._start)
            self.is_prepared = content.find(MAGIC) >= 0
            self._image = image(content)
        except BaseException:
            os.close(self._memory)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._memory)

    def is_inside(self) -> bool:
        """Whether a thread, all being stopped, is at one of the places to be changed."""
        try:
            threads = os.listdir(f"/proc/{self._pid}/task")  # noqa: PTH208 - names are enough
        except OSError:
            raise ProcessLookupError(f"process {self._pid} is gone") from None
        for thread in threads:
            try:
                with open(f"/proc/{self._pid}/task/{thread}/syscall") as file:  # noqa: PTH123
                    words = file.read().split()
            except OSError:
                continue
            if len(words) < 3:
                return True  # it runs
            at = int(words[-1], 16) - self._start
            if any(at - JUMP_BYTES < begin < at for begin in self._image.functions.values()):
                return True
        return False

    def prepare(self) -> None:
        """Put the code there and let the functions jump to it. The process must be stopped."""
        where = self._image.free
        self._write(where, MAGIC + bytes(DATA_BYTES - len(MAGIC)) + CODE)
        for name, entry in ENTRIES.items():
            begin = self._image.functions[name]
            distance = where + DATA_BYTES + entry - (begin + JUMP_BYTES)
            self._write(begin, b"\xe9" + struct.pack("<i", distance))
        self.is_prepared = True

    def set(self, wall: Wrong, monotonic: Wrong) -> None:
        """From the moments on at which they begin, which should lie ahead by a little.

        Until then, and if it is told the same twice, the process goes by what it was told before.
        A thread that sleeps between asking the kernel and answering, while its clocks are changed
        twice, may answer once with a time that never was.
        """
        where = self._image.free
        (newer,) = struct.unpack("<q", self._read(where + 8, 8))
        block = BLOCK.pack(*wall, *monotonic)
        if self._read(where + 16 + newer, BLOCK.size) == block:
            return
        older = 80 - newer
        self._write(where + 16 + older, block)
        self._write(where + 8, struct.pack("<q", older))
        if self._read(where + 16 + older, BLOCK.size) != block:
            raise InfrastructureError(f"process {self._pid}: its vDSO forgot what was written")

    def _read(self, at: int, size: int) -> bytes:
        try:
            content = os.pread(self._memory, size, self._start + at)
        except OSError as error:
            raise self._failed("read", error.strerror) from None
        if len(content) != size:  # as the kernel answers for memory that nobody has any more
            raise self._failed("read", "its memory is gone")
        return content

    def _write(self, at: int, content: bytes) -> None:
        try:
            written = os.pwrite(self._memory, content, self._start + at)
        except OSError as error:
            raise self._failed("write", error.strerror) from None
        if written != len(content):
            raise self._failed("write", "its memory is gone")

    def _failed(self, what: str, why: str | None) -> ProcessLookupError:
        return ProcessLookupError(f"process {self._pid}: cannot {what} its vDSO: {why}")


def _mapping(pid: int) -> tuple[int, int]:
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            lines = file.read().splitlines()
    except OSError:
        raise ProcessLookupError(f"process {pid} is gone") from None
    for line in reversed(lines):
        if line.endswith("[vdso]"):
            start, _, end = line.split()[0].partition("-")
            return int(start, 16), int(end, 16)
    raise ProcessLookupError(f"process {pid}: has no vDSO")
