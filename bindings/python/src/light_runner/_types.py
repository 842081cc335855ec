# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

Path = Union[str, "os.PathLike[str]"]
Extract = Union[Tuple[Path, Path], Mapping[str, Path]]

# The longest timeout that light-runner takes: ten years, in milliseconds.
NO_TIMEOUT = 3650 * 24 * 3600 * 1000

# The fields of docs/request.schema.json whose names differ.
OPTION_NAMES = {
    "no_new_privileges": "noNewPrivileges", "max_extract_bytes": "maxExtractBytes", "max_log_bytes": "maxLogBytes",
    "allow_unenforced": "allowUnenforced", "allow_egress": "allowEgress", "setup_runtime": "setupRuntime",
    "setup_network": "setupNetwork",
}


@dataclass(frozen=True)
class Extracted:
    """What became of one entry of `extract`. `status`: ok, missing, error."""

    from_: str
    to: str
    status: str
    bytes: Optional[int] = None
    error: Optional[str] = None


@dataclass(frozen=True)
class Result:
    """What became of a run. `document` is the whole of it (docs/result.schema.json)."""

    success: bool
    exit_code: int
    duration_ms: int
    cancelled: bool
    timed_out: bool = False
    cpu_timed_out: bool = False
    oom_killed: bool = False
    log_truncated: bool = False
    id: str = ""
    signal: Optional[str] = None
    extracted: List[Extracted] = field(default_factory=list)
    document: Dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_document(cls, document: Dict[str, Any]) -> Result:
        extracted = [Extracted(e["from"], e["to"], e["status"], e.get("bytes"), e.get("error"))
                     for e in document.get("extracted", [])]
        return cls(document["success"], document["exitCode"], document["duration"], document["cancelled"],
                   document["timedOut"], document["cpuTimedOut"], document["oomKilled"], document["logTruncated"],
                   document["id"], document.get("signal"), extracted, document)


def options_document(options: Mapping[str, Any]) -> Dict[str, Any]:
    return {OPTION_NAMES.get(name, name): value for name, value in options.items() if value is not None}


def request_document(
    options: Dict[str, Any], image: str, entrypoint: Optional[str], argv: Optional[Sequence[str]], run: Optional[Sequence[str]],
    dir: Optional[Path], ignore: Optional[Sequence[str]], links: Optional[str], input: Any, timeout: Optional[float],
    cpu_timeout: Optional[float], networks: Optional[Sequence[str]], dns: Optional[Sequence[str]],
    env: Optional[Mapping[str, str]], workdir: Optional[str], extract: Optional[Iterable[Extract]],
    extract_when: Optional[str], detached: bool,
) -> Dict[str, Any]:
    entries = None
    if extract is not None:
        entries = [{"from": os.fspath(e["from"]), "to": os.fspath(e["to"])} if isinstance(e, Mapping)
                   else {"from": os.fspath(e[0]), "to": os.fspath(e[1])} for e in extract]
    document: Dict[str, Any] = {
        "image": image, "entrypoint": entrypoint, "argv": argv and list(argv), "run": run and list(run),
        "dir": None if dir is None else os.fspath(dir), "ignore": None if ignore is None else list(ignore), "links": links,
        "input": input, "networks": list(networks) if networks else None, "dns": dns and list(dns),
        "env": None if env is None else dict(env), "workdir": workdir, "extract": entries, "extractWhen": extract_when,
        "timeout": None if timeout is None else max(1, round(timeout * 1000)) if timeout > 0 else NO_TIMEOUT,
        "cpuTimeout": None if cpu_timeout is None else max(1, round(cpu_timeout * 1000)),
        "detached": detached or None, "options": options,
    }
    return {name: value for name, value in document.items() if value is not None}
