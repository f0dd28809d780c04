"""The images of ``fixtures/images/``: built when first needed, with a registry or without.

An image is named ``duress/<name>:<hash>``, the hash taken over its build folder and its
base, so that a changed Dockerfile makes a new image and an unchanged one costs one look.
Where no image registry answers, the base is made from Debian packages by ``mmdebstrap`` or
``debootstrap`` with the apt settings of this machine.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InfrastructureError, UserError
from .docker_engine import Engine

BASE = "debian:bookworm-slim"
SUITE = "bookworm"
FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "images"

SILENCE_LIMIT_S = 600
"""How long a build or a pull may print nothing before it counts as dead."""

BOOTSTRAP_TIMEOUT_S = 900

Say = Callable[[str], None]


Asked = Callable[[], bool]


def _quiet(message: str) -> None:
    pass


def _never() -> bool:
    return False


def names() -> list[str]:
    """The images there are to build."""
    return sorted(path.parent.name for path in FOLDER.glob("*/Dockerfile"))


def build_all(wanted: Iterable[str] | None = None, say: Say = _quiet) -> list[str]:
    """Build the images named (all of them by default); returns their tags.

    ``say`` is told in a line what takes long. Errors as :func:`ensure`.
    """
    return [ensure(name, say) for name in (names() if wanted is None else wanted)]


def ensure(name: str, say: Say = _quiet, given_up: Asked = _never) -> str:
    """The tag of an image, built first if it is not there. Blocks, for a minute at worst.

    ``given_up`` is asked now and then; once it says yes, the build ends with an error.
    Raises ``UserError`` for a name that no folder has and ``InfrastructureError`` if the
    image cannot be built; the message has the end of the build's log.
    """
    folder = FOLDER / name
    if not (folder / "Dockerfile").is_file():
        raise UserError(
            f"image {name!r}: no fixtures/images/{name}; there are {', '.join(names())}"
        )
    with Engine() as engine:
        # Without the lock first: once everything is there, nobody waits for anybody.
        base = engine.image_id(BASE)
        if base is not None and engine.image_id(tag := _tag(folder, base)) is not None:
            return tag
    with _one_at_a_time(), Engine(timeout_s=SILENCE_LIMIT_S) as engine:
        base = engine.image_id(BASE) or _make_base(engine, say, given_up)
        tag = _tag(folder, base)
        if engine.image_id(tag) is None:
            say(f"building image {tag}")
            arguments = {"BASE": BASE, **_proxies()}
            engine.build(str(folder), tag, arguments, {"duress.image": name}, given_up)
    return tag


def _tag(folder: Path, base_id: str) -> str:
    digest = hashlib.sha256(base_id.encode())
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(b"\0" + str(path.relative_to(folder)).encode() + b"\0")
            digest.update(path.read_bytes())
    return f"duress/{folder.name}:{digest.hexdigest()[:12]}"


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two trials that start together must not bootstrap the base twice."""
    path = Path(tempfile.gettempdir()) / f"duress-images-{os.getuid()}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _proxies() -> dict[str, str]:
    """Proxy settings of this process; Docker knows these arguments and keeps them out of images."""
    known = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
    return {name: value for name, value in os.environ.items() if name.lower() in known and value}


# -- the base, from a registry or from packages ---------------------------------


def _make_base(engine: Engine, say: Say, given_up: Asked) -> str:
    say(f"fetching {BASE}")
    refusal = engine.pull(BASE)
    if refusal is not None:
        if os.geteuid() != 0:
            raise InfrastructureError(
                f"image {BASE}: not here, the registry refuses ({refusal}), and making it from "
                "packages needs root: run `duress images` once as root"
            )
        say(f"making {BASE} from Debian packages, since no registry answers: half a minute")
        _bootstrap(engine, given_up)
    made = engine.image_id(BASE)
    if made is None:
        raise InfrastructureError(f"image {BASE}: still not there after it was made")
    return made


def _bootstrap(engine: Engine, given_up: Asked = _never) -> None:
    """Make the base image with the sources, proxies and certificates of this machine's apt."""
    with tempfile.TemporaryDirectory(prefix="duress-base-") as scratch:
        archive = Path(scratch) / "base.tar"
        if shutil.which("mmdebstrap"):
            _run(_mmdebstrap(archive), given_up)
        elif shutil.which("debootstrap"):
            _debootstrap(Path(scratch) / "root", archive, given_up)
        else:
            raise InfrastructureError(
                f"image {BASE}: no registry answers and neither mmdebstrap nor debootstrap is "
                "here: run scripts/docker-up as root, or install mmdebstrap"
            )
        engine.import_image(archive, BASE)


def _mmdebstrap(archive: Path) -> list[str]:
    argv = [
        "mmdebstrap",
        "--quiet",
        "--mode=root",
        "--variant=essential",
        "--include=apt,ca-certificates",
        # Options given so stay in the image, where the builds need them too.
        *(f"--aptopt={option}" for option in apt_options(_apt_settings())),
    ]
    certificates = Path("/usr/local/share/ca-certificates")
    if any(certificates.glob("**/*.crt")):
        argv += [
            f"--customize-hook=copy-in {certificates} /usr/local/share",
            '--customize-hook=chroot "$1" update-ca-certificates',
        ]
    return [*argv, SUITE, str(archive), *(str(path) for path in _sources())]


def _debootstrap(root: Path, archive: Path, given_up: Asked) -> None:
    argv = ["debootstrap", "--variant=minbase", "--include=ca-certificates", SUITE, str(root)]
    mirror = next(filter(None, (first_mirror(path.read_text()) for path in _sources())), None)
    _run([*argv, *([mirror] if mirror else [])], given_up)
    apt = root / "etc" / "apt"
    options = "".join(f"{option}\n" for option in apt_options(_apt_settings()))
    (apt / "apt.conf.d" / "99host").write_text(options, encoding="utf-8")
    for path in _sources():
        (apt / "sources.list").unlink(missing_ok=True)
        shutil.copy(path, apt / "sources.list.d" / path.name)
    certificates = Path("/usr/local/share/ca-certificates")
    if any(certificates.glob("**/*.crt")):
        shutil.copytree(certificates, root / certificates.relative_to("/"), dirs_exist_ok=True)
        _run(["chroot", str(root), "update-ca-certificates"], given_up)
    _run(["tar", "-C", str(root), "-cf", str(archive), "."], given_up)


def _run(argv: list[str], given_up: Asked) -> None:
    what = argv[0] if argv[0] != "chroot" else argv[2]
    deadline = time.monotonic() + BOOTSTRAP_TIMEOUT_S
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as child:
        while True:
            try:
                said, _ = child.communicate(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                if given_up() or time.monotonic() > deadline:
                    child.terminate()  # both bootstrappers unmount what they mounted
                    raise InfrastructureError(
                        f"image {BASE}: {what} had not ended and was stopped"
                    ) from None
    if child.returncode != 0:
        lines = said.strip().splitlines()[-5:]
        raise InfrastructureError(
            f"image {BASE}: {what} ended with status {child.returncode}: {' | '.join(lines)}"
        )


# -- the settings of this machine's apt ------------------------------------------


def _apt_settings() -> str:
    if not shutil.which("apt-config"):
        return ""
    done = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, timeout=30)
    return done.stdout if done.returncode == 0 else ""


KEPT_SETTINGS = ("Acquire::http", "Acquire::https", "Acquire::ftp", "Acquire::Retries",
                 "Acquire::Check-Valid-Until", "Acquire::Check-Date", "Acquire::ForceIPv4",
                 "Acquire::ForceIPv6")  # fmt: skip
"""How packages are reached: proxies, certificates, clocks. Nothing else is the host's to decide."""


def apt_options(dump: str) -> list[str]:
    """The settings of ``apt-config dump`` on which reaching a mirror depends, as apt.conf lines."""
    kept = []
    for line in dump.splitlines():
        name, _, value = line.partition(" ")
        stem = next((s for s in KEPT_SETTINGS if name == s or name.startswith(s + "::")), None)
        if stem is not None and value not in ('"";', ""):
            kept.append(line)
    return kept


def _sources() -> list[Path]:
    """The host's apt sources for the suite of the base; none means Debian's own."""
    apt = Path("/etc/apt")
    listed = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]
    listed += sorted((apt / "sources.list.d").glob("*.sources"))
    return [path for path in listed if path.is_file() and offers_suite(path.read_text())]


def first_mirror(text: str) -> str | None:
    """The first address in an apt sources file."""
    found = re.search(r"^(?:URIs:|deb\s+(?:\[.*?\])?)\s*(\S+)", text, re.MULTILINE | re.IGNORECASE)
    return found[1] if found else None


def offers_suite(text: str, suite: str = SUITE) -> bool:
    """Whether an apt sources file has an entry of Debian's suite, and nothing of other kinds."""
    suites: list[str] = []
    for line in text.splitlines():
        line = line.split("#", 1)[0].strip()
        if line.lower().startswith("suites:"):
            suites += line.split()[1:]
        elif line.startswith(("deb ", "deb-src ")):
            suites += re.sub(r"\[.*?\]", " ", line).split()[2:3]
    return suite in suites and all(name.partition("-")[0] == suite for name in suites)
