# SPDX-License-Identifier: MIT
"""The names of all engines and tiers, and which of them work on this machine."""
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
    """Returns {cell: None if it works, else the reason}, as reported by `light-runner doctor --json`."""
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
        # Most of the suite also runs on a machine whose networks are broken.
        works = entry["works"] or entry["withoutNetwork"]
        found[cell] = None if works is True else entry.get("reason") or "not available"
    return found
