# SPDX-License-Identifier: MIT
"""Every engine and tier by name, and which of them work on this machine."""
import json
import subprocess

CELLS = [
    ("local", "runc"),
    ("local", "runsc"),
    ("local", "kata"),
    ("docker", "runc"),
    ("docker", "runsc"),
    ("docker", "kata"),
]


def name(cell):
    return "-".join(cell)


def survey(executable):
    """{cell: None if it works, else the reason}, as `light-runner doctor --json` tells it."""
    found = {cell: "light-runner doctor does not name it" for cell in CELLS}
    try:
        done = subprocess.run(
            [executable, "doctor", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )
        document = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return {cell: f"light-runner doctor --json: {error}" for cell in CELLS}
    for entry in document.get("cells", []):
        cell = (entry.get("engine"), entry.get("tier") or entry.get("runtime"))
        if cell not in found:
            continue
        # A machine whose networks are broken can run most of the suite.
        works = entry["works"] or entry["withoutNetwork"]
        found[cell] = None if works is True else entry.get("reason") or "not available"
    return found
