# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
import shutil

from ._errors import LightRunnerError

VERSION = "0.1.0"
HINT = "install light-runner (its wheel, or make install), or set LIGHT_RUNNER_BIN to the path of its executable"
# For an executable that does not work.
DOCTOR = "see what is missing on this machine: light-runner doctor"


def _is_executable(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def find() -> str:
    """$LIGHT_RUNNER_BIN, else beside the package, else on PATH."""
    given = os.environ.get("LIGHT_RUNNER_BIN")
    if given:
        if _is_executable(given):
            return given
        message = f"LIGHT_RUNNER_BIN is '{given}', which is not an executable file"
    else:
        beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "light-runner")
        found = beside if _is_executable(beside) else shutil.which("light-runner")
        if found:
            return os.path.abspath(found)
        message = "the executable 'light-runner' is neither beside this package nor on PATH"
    raise LightRunnerError({"code": "IO_FAILED", "message": message, "operation": "executable.find", "hint": HINT})


def check_version(version: str, path: str) -> None:
    """Before 1.0, a minor version may break compatibility."""
    theirs, ours = version.split("."), VERSION.split(".")
    if theirs[0] == ours[0] and (theirs[0] != "0" or theirs[1:2] == ours[1:2]):
        return
    raise LightRunnerError({
        "code": "NOT_SUPPORTED",
        "message": f"'{path}' is version {version}, and this package is made for {VERSION}",
        "operation": "executable.version",
        "hint": f"install light-runner {VERSION} and set LIGHT_RUNNER_BIN to its path, or install the package for version {version}",
    })
