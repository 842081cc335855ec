# SPDX-License-Identifier: MIT
"""Programs that the project's scripts have built into the cache, such as gVisor's by scripts/install-runsc."""
import glob
import os
import shutil


def runsc():
    """The path of the runsc to test with, or None."""
    use_cached_runsc()
    return os.environ.get("LIGHT_RUNNER_RUNSC") or shutil.which("runsc")


def current_dockerd():
    """The folder with the programs that scripts/install-dockerd has built, or None."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    found = sorted(glob.glob(os.path.join(glob.escape(cache), "light-runner", "dockerd-*", "dockerd")))
    return os.path.dirname(found[-1]) if found else None


def use_cached_runsc():
    """Uses the runsc from the cache instead of the distribution's, unless the caller has named one."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    found = sorted(glob.glob(os.path.join(glob.escape(cache), "light-runner", "runsc-*", "runsc")))
    if found and not os.environ.get("LIGHT_RUNNER_RUNSC"):
        os.environ["LIGHT_RUNNER_RUNSC"] = found[-1]
