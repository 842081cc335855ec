# SPDX-License-Identifier: MIT
"""Resources of the whole machine that one run could use up: asynchronous I/O contexts, huge pages, and the time that it takes to
write all files to the disk."""
import os
import subprocess

import pytest

POOLS = ["io_setup", "io_submit", "io_getevents", "io_pgetevents", "io_cancel", "io_destroy", "huge_mmap", "huge_memfd", "huge_shmget"]
# In this case the runtime installs the filter, and on Docker it is the daemon's.
WITHOUT = [pytest.param(True, id="filter of the agent"), pytest.param(False, id="filter of the runtime")]


def verdicts(lines):
    return dict(line.split()[:2] for line in lines)


def test_the_probe_sees_what_no_filter_refuses(probe_dir):
    """The control: the same calls outside of a sandbox. Only some file systems show whether sync() did anything."""
    done = subprocess.run([probe_dir / "probe", "sync", "syncfs", *POOLS], check=True, stdout=subprocess.PIPE, timeout=60, cwd=probe_dir)
    seen = verdicts(done.stdout.decode().splitlines())
    assert seen.pop("sync") in ("done", "unknown") and seen.pop("syncfs") == "odd", done
    assert set(seen) == set(POOLS) and "refused" not in seen.values(), seen


@pytest.mark.parametrize("no_new_privileges", WITHOUT)
def test_pools_of_the_machine_are_out_of_reach(runner, probe_dir, no_new_privileges):
    if runner.cell == ("docker", "runc") and not no_new_privileges:
        pytest.skip("the filter is the daemon's own then")
    outcome = runner.ok(f"./probe {' '.join(POOLS)}", dir=probe_dir, options={"noNewPrivileges": no_new_privileges})
    assert verdicts(outcome.lines) == dict.fromkeys(POOLS, "refused"), outcome


def test_nobodys_files_are_written_out(runner, probe_dir):
    """The calls succeed, but have no effect."""
    outcome = runner.ok("./probe sync syncfs; sync && echo fine", dir=probe_dir)
    assert outcome.lines[-1] == "fine"
    seen = verdicts(outcome.lines[:-1])
    assert seen["syncfs"] == "allowed", "a file that is not open would be an error if it did anything"
    # Root's local runs write to an ext4, which shows it. A user's runs write to a tmpfs, and others to file systems that do not show it.
    shows = runner.cell == ("local", "runc") and os.geteuid() == 0
    assert seen["sync"] == "skipped" or (seen["sync"] == "unknown" and not shows), seen
