# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Union

from . import _rpc
from ._execution import Execution
from ._types import Extract, Path, options_document, request_document


def new_id() -> str:
    return "light-runner-" + os.urandom(6).hex()


class Runner:
    """How runs are isolated and limited. Checks nothing: what is wrong is reported by the runs."""

    def __init__(
        self, *, engine: str = "auto", runtime: Optional[str] = None, memory: Optional[str] = None,
        cpus: Optional[Union[float, str]] = None, pids: Optional[int] = None, disk: Optional[str] = None,
        gpus: Optional[Union[int, str]] = None, no_new_privileges: Optional[bool] = None,
        max_extract_bytes: Optional[int] = None, max_log_bytes: Optional[int] = None,
        allow_unenforced: Optional[Sequence[str]] = None, allow_egress: Optional[Sequence[str]] = None,
        setup_runtime: Optional[str] = None, setup_network: Optional[str] = None, accelerator: Optional[str] = None,
    ) -> None:
        given = dict(locals())
        del given["self"]
        self.options: Dict[str, Any] = options_document(given)

    def run(
        self, *, image: str, entrypoint: Optional[str] = None, argv: Optional[Sequence[str]] = None,
        run: Optional[Sequence[str]] = None, dir: Optional[Path] = None, ignore: Optional[Sequence[str]] = None,
        links: Optional[str] = None, input: Any = None, timeout: Optional[float] = None, cpu_timeout: Optional[float] = None,
        networks: Optional[Sequence[str]] = None, dns: Optional[Sequence[str]] = None, env: Optional[Mapping[str, str]] = None,
        workdir: Optional[str] = None, extract: Optional[Iterable[Extract]] = None, extract_when: Optional[str] = None,
        detached: bool = False, on_log: Optional[Callable[[str], None]] = None,
    ) -> Execution:
        """Starts a run and returns at once; a detached run's command runs when this returns. Times are seconds; a `timeout` of 0
        means none. `on_log` is called by another thread."""
        document = request_document(self.options, image, entrypoint, argv, run, dir, ignore, links, input, timeout, cpu_timeout,
                                    networks, dns, env, workdir, extract, extract_when, detached)
        rpc = _rpc.shared()
        params = {"run": new_id(), "request": document}
        if not detached:
            return Execution(rpc, "run", params, on_log)
        return Execution(rpc, "attach", {"run": rpc.call("run", params)["run"]}, on_log)

    def _call(self, method: str, **params: Any) -> Any:
        cell = {"engine": self.options.get("engine"), "runtime": self.options.get("runtime")}
        return _rpc.shared().call(method, {**cell, **params})

    def available(self) -> None:
        """Raises LightRunnerError, with a hint, if runs with this engine and tier are not possible."""
        self._call("available")

    def pull_image(self, name: str, *, insecure: bool = False) -> Dict[str, Any]:
        return dict(self._call("image.pull", name=name, insecure=insecure))

    def import_image(self, path: Path, name: str) -> Dict[str, Any]:
        """`path`: an archive, or a folder that is an OCI image layout."""
        return dict(self._call("image.import", path=os.fspath(path), name=name))

    def list_images(self) -> List[Dict[str, Any]]:
        return list(self._call("image.list"))

    def remove_image(self, name: str) -> None:
        self._call("image.remove", name=name)

    def create_network(self, name: str) -> None:
        self._call("network.create", name=name)

    def remove_network(self, name: str) -> None:
        self._call("network.remove", name=name)

    def network_exists(self, name: str) -> bool:
        return bool(self._call("network.exists", name=name)["exists"])

    def reap(self) -> Dict[str, int]:
        """Removes what is left of runs whose supervisor was killed."""
        return dict(self._call("reap"))

    def clean_images(self) -> int:
        """Removes the images of setup steps that no run uses."""
        return int(self._call("clean.images")["images"])

    def verify(self, image: Optional[str] = None) -> Dict[str, Any]:
        """What `light-runner verify --json` prints."""
        return dict(self._call("verify", image=image))


def doctor(*, full: bool = False) -> Dict[str, Any]:
    """What `light-runner doctor --json` prints."""
    return dict(_rpc.shared().call("doctor", {"full": full}))


def attach(id: str, on_log: Optional[Callable[[str], None]] = None) -> Optional[Execution]:
    """A handle for a detached run, of this process or of another one; None: there is no such run."""
    return Execution(_rpc.shared(), "attach", {"run": id}, on_log) if state(id) else None


def states() -> List[Dict[str, Any]]:
    """The states of detached runs, oldest first."""
    return list(_rpc.shared().call("states", {}))


def state(id: str) -> Optional[Dict[str, Any]]:
    found: Optional[Dict[str, Any]] = _rpc.shared().call("states", {"run": id})
    return found


def clean_states(older_than: float = 0) -> int:
    """Removes the states and the output of runs that ended `older_than` seconds ago; how many."""
    return int(_rpc.shared().call("clean.states", {"age": round(older_than * 1000)})["states"])
