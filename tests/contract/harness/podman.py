# SPDX-License-Identifier: MIT
"""Podman's Docker-compatible service for the tests, on its own socket and with its own data. Both are removed afterwards."""
import os
import shutil

from . import dockerd


def missing():
    """The reason why the service cannot be started here, or None."""
    if os.geteuid() != 0:
        return "starting it as these tests do takes root"
    names = [name for name in ("podman", "runc", "iptables") if not shutil.which(name)]
    return f"not installed: {', '.join(names)}" if names else None


# Podman asks for more open files than some machines allow even for root.
RUNTIME = """#!/bin/sh
for word; do
    [ "$before" != --bundle ] || sed -i "s/1048576/$(ulimit -Hn)/g" "$word/config.json"
    before=$word
done
exec runc "$@"
"""


class Process(dockerd.Process):
    def __init__(self, folder):
        self.folder, self.host, self.process = folder, f"unix://{folder}/podman.sock", None
        self.environment = dict(os.environ, CONTAINERS_CONF=f"{folder}/containers.conf")
        with open(f"{folder}/containers.conf", "w") as file:
            # Only newer versions of Podman have this backend.
            file.write('[network]\nnetwork_backend = "netavark"\n')
        # Not crun, which does not support cgroups v1 and v2 side by side.
        runtime = os.path.join(folder, "runtime")
        with open(runtime, "w") as file:
            file.write(RUNTIME)
        os.chmod(runtime, 0o755)
        self.argv = ["podman", "--root", f"{folder}/root", "--runroot", f"{folder}/run", "--tmpdir", f"{folder}/tmp",
                     "--network-config-dir", f"{folder}/networks", "--cgroup-manager", "cgroupfs", "--events-backend", "none",
                     "--runtime", runtime, "system", "service", "--time=0", self.host]
        self.start()
