"""The Docker engine: every call we make of it, in one place, bounded in time.

Whatever the SDK raises becomes an ``InfrastructureError`` of one line that names what was
asked; what it returns is checked here and leaves as plain values. Calls block: run them in
threads (:class:`EngineThreads`).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ..errors import InfrastructureError

if TYPE_CHECKING:
    from docker import APIClient

CALL_TIMEOUT_S = 20.0

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Started:
    """A container that runs: the pid of its PID 1 on this host and its environment."""

    pid: int
    environment: dict[str, str]


class NoFreeAddresses(Exception):
    """The subnet asked for overlaps another network."""


class Engine:
    """A connection to the engine that ``DOCKER_HOST`` or the default socket names."""

    def __init__(self, timeout_s: float = CALL_TIMEOUT_S) -> None:
        from docker import APIClient
        from docker.utils import kwargs_from_env

        with speaking("engine"):
            self._api: APIClient = APIClient(
                version="auto",
                timeout=int(timeout_s),
                max_pool_size=32,
                **kwargs_from_env(),
            )

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._api.close()

    def describe(self) -> dict[str, Any]:
        """What the engine says of itself (``docker info``)."""
        with speaking("engine: info"):
            return dict(self._api.info())

    # -- images ------------------------------------------------------------------

    def image_id(self, tag: str) -> str | None:
        """The id of a local image, or ``None``."""
        try:
            with speaking(f"image {tag}: inspect"):
                return str(self._api.inspect_image(tag)["Id"])
        except _Missing:
            return None

    def pull(self, tag: str) -> str | None:
        """Ask the registry for an image; returns why it was refused, or ``None``."""
        try:
            with speaking(f"image {tag}: pull"):
                name, _, version = tag.partition(":")
                for step in self._api.pull(name, tag=version, stream=True, decode=True):
                    if "error" in step:
                        return one_line(str(step["error"]))
        except InfrastructureError as error:
            return str(error)
        return None

    def import_image(self, archive: Path, tag: str) -> None:
        """Make an image of one layer out of a tar archive of a root file system."""
        name, _, version = tag.partition(":")
        with speaking(f"image {tag}: import"):
            answer = self._api.import_image_from_file(
                str(archive), repository=name, tag=version, changes=['CMD ["bash"]']
            )
            if "error" in str(answer):
                raise InfrastructureError(f"image {tag}: import: {one_line(str(answer))}")

    def build(
        self,
        folder: str,
        tag: str,
        arguments: Mapping[str, str],
        labels: Mapping[str, str],
        given_up: Callable[[], bool],
    ) -> None:
        """Build an image; on failure the message ends with the last lines of the log.

        ``given_up`` is asked at every line of the log; the engine stops when we hang up.
        """
        log: list[str] = []
        with speaking(f"image {tag}: build"):
            steps = self._api.build(
                path=folder,
                tag=tag,
                buildargs=dict(arguments),
                labels=dict(labels),
                # The host's names and proxies must work in the build too.
                network_mode="host",
                rm=True,
                forcerm=True,
                decode=True,
            )
            for step in steps:
                if given_up():
                    steps.close()
                    raise InfrastructureError(f"image {tag}: build was given up")
                log.append(str(step.get("stream", "")))
                if "error" in step:
                    lines = [line.strip() for line in "".join(log).splitlines() if line.strip()]
                    raise InfrastructureError(
                        f"image {tag}: build failed: {one_line(str(step['error']))}; "
                        f"the log ends: {' | '.join(lines[-8:])}"
                    )

    # -- networks ----------------------------------------------------------------

    def create_network(
        self, name: str, subnet: str, gateway: str, bridge: str, labels: Mapping[str, str]
    ) -> None:
        """An internal bridge network (nothing passes in or out) with ``gateway`` as our address.

        Raises :class:`NoFreeAddresses` if the subnet is taken.
        """
        from docker.types import IPAMConfig, IPAMPool

        pool = IPAMPool(subnet=subnet, gateway=gateway)
        try:
            with speaking(f"network {name}: create"):
                self._api.create_network(
                    name,
                    driver="bridge",
                    internal=True,
                    ipam=IPAMConfig(pool_configs=[pool]),
                    options={"com.docker.network.bridge.name": bridge},
                    labels=dict(labels),
                    check_duplicate=True,
                )
        except InfrastructureError as error:
            if "overlaps" in str(error):
                raise NoFreeAddresses(str(error)) from None
            raise

    def networks(self, filters: Mapping[str, Any]) -> list[tuple[str, dict[str, str]]]:
        """Name and labels of the networks that match."""
        with speaking("networks: list"):
            found = self._api.networks(filters=dict(filters))
            return [(str(each["Name"]), dict(each["Labels"] or {})) for each in found]

    def remove_network(self, name: str) -> None:
        """Remove a network. No effect if it is gone."""
        try:
            with speaking(f"network {name}: remove"):
                self._api.remove_network(name)
        except _Missing:
            pass

    # -- containers --------------------------------------------------------------

    def run(
        self,
        name: str,
        image: str,
        command: Sequence[str],
        *,
        hostname: str,
        network: str,
        address: str,
        hosts: Mapping[str, str],
        labels: Mapping[str, str],
    ) -> Started:
        """Create and start a container with an init as PID 1 and a fixed address."""
        with speaking(f"container {name}: run"):
            self._api.create_container(
                image,
                command=list(command),
                name=name,
                hostname=hostname,
                labels=dict(labels),
                entrypoint=[],
                host_config=self._api.create_host_config(
                    init=True,
                    network_mode=network,
                    extra_hosts=dict(hosts),
                    # Links are cut by IPv4 address: no other way may lead around it.
                    sysctls={"net.ipv6.conf.all.disable_ipv6": "1"},
                    log_config={"Type": "json-file", "Config": {"max-size": "1m"}},
                ),
                networking_config=self._api.create_networking_config(
                    {network: self._api.create_endpoint_config(ipv4_address=address)}
                ),
            )
            self._api.start(name)
            seen = self._api.inspect_container(name)
        state = seen["State"]
        if not state.get("Running") or not state.get("Pid"):
            raise InfrastructureError(
                f"container {name}: ended at once with status {state.get('ExitCode')}: "
                f"{one_line(str(state.get('Error') or 'no reason given'))}; "
                "does its image have `sleep`?"
            )
        pairs = (entry.partition("=") for entry in seen["Config"].get("Env") or [])
        return Started(int(state["Pid"]), {key: value for key, _, value in pairs})

    def containers(self, filters: Mapping[str, Any]) -> list[tuple[str, dict[str, str]]]:
        """Name and labels of the containers that match, running or not."""
        with speaking("containers: list"):
            found = self._api.containers(all=True, filters=dict(filters))
            return [
                (str((each["Names"] or [each["Id"]])[0]).lstrip("/"), dict(each["Labels"] or {}))
                for each in found
            ]

    def remove_container(self, name: str) -> None:
        """Kill and remove a container with its volumes. No effect if it is gone."""
        try:
            with speaking(f"container {name}: remove"):
                self._api.remove_container(name, force=True, v=True)
        except _Missing:
            pass
        except InfrastructureError as error:
            if "already in progress" not in str(error):
                raise

    def spawn(self, container: str, argv: Sequence[str], env: Mapping[str, str]) -> str:
        """Start a command in a container that outlives us; returns the id to ask about it."""
        with speaking(f"container {container}: exec {argv[0]}"):
            made = self._api.exec_create(container, list(argv), environment=dict(env))
            self._api.exec_start(made["Id"], detach=True)
            return str(made["Id"])

    def spawned(self, exec_id: str) -> tuple[int, int | None]:
        """The host's pid of a spawned command (0: none yet) and its status once it ended."""
        with speaking("exec: inspect"):
            seen = self._api.exec_inspect(exec_id)
        return int(seen.get("Pid") or 0), None if seen.get("Running") else seen.get("ExitCode")


class _Missing(InfrastructureError):
    """The engine knows no such object."""


@contextmanager
def speaking(what: str) -> Iterator[None]:
    """Turns whatever goes wrong between us and the engine into one line."""
    import requests
    from docker.errors import APIError, DockerException, NotFound

    try:
        yield
    except NotFound as error:
        raise _Missing(f"docker: {what}: {one_line(error.explanation or str(error))}") from None
    except APIError as error:
        raise InfrastructureError(
            f"docker: {what}: {one_line(str(error.explanation or error))}"
        ) from None
    except (DockerException, requests.RequestException, OSError) as error:
        raise InfrastructureError(f"docker: {what}: {unreachable(error)}") from None


def unreachable(error: BaseException) -> str:
    """Why no engine answers, and what to do, from the SDK's nest of exceptions."""
    where = os.environ.get("DOCKER_HOST") or "/var/run/docker.sock"
    text = str(error)
    if "Permission denied" in text or "PermissionError" in text:
        return f"not permitted to use {where}: run as root, or join the group docker"
    if "timed out" in text or "Timeout" in type(error).__name__:
        return f"the engine at {where} did not answer in time"
    if any(sign in text for sign in ("FileNotFoundError", "Connection refused", "No such file")):
        return f"no engine answers at {where}: run scripts/docker-up as root"
    if "Connection aborted" in text or "RemoteDisconnected" in text or "reset by peer" in text:
        return f"the engine at {where} broke the connection; has it died? ({one_line(text)})"
    return one_line(text)


def one_line(text: str, limit: int = 400) -> str:
    """Text fit for an error message."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


class EngineThreads:
    """Runs blocking calls for an event loop and knows which have not come back.

    A call that was cancelled may still be at work in its thread, and make a container after
    all: :meth:`settle` waits for such before anything is cleaned up.
    """

    def __init__(self, workers: int) -> None:
        self._executor = concurrent.futures.ThreadPoolExecutor(workers, "duress-docker")
        self._pending: set[concurrent.futures.Future[Any]] = set()

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``function`` in a thread."""
        future = self._executor.submit(function, *args, **kwargs)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        return await asyncio.wrap_future(future)

    async def settle(self, timeout_s: float = CALL_TIMEOUT_S) -> None:
        """Wait until no call is at work any more (at most so long)."""
        if self._pending:
            waits = [asyncio.wrap_future(future) for future in tuple(self._pending)]
            await asyncio.wait(waits, timeout=timeout_s)
            for wait in waits:  # their errors were told to those who called
                if wait.done() and not wait.cancelled():
                    wait.exception()

    def close(self) -> None:
        """No more calls; does not wait."""
        self._executor.shutdown(wait=False, cancel_futures=True)
