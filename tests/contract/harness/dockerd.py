# SPDX-License-Identifier: MIT
"""A Docker daemon of our own: on its own socket, with its own data, gone afterwards."""
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

from . import tools

# Of the daemon that the docker cells run on, for all suites; empty: there is none, and its neighbour says why.
VARIABLE, REASON = "LIGHT_RUNNER_TEST_DOCKER", "LIGHT_RUNNER_TEST_DOCKER_REASON"
# Set where the tests of one engine run beside those of another.
ENGINE = "LIGHT_RUNNER_TEST_ENGINE"
LABEL = "light-runner.run-id"

# With cgroups of its own inside the limit on processes is one on those, and not on the kernel's threads.
NO_NETWORK = "runsc-network-none"
RUNSC_FLAGS = ["--platform=systrap", "--in-sandbox-cgroup=v2", "--host-settings=ignore"]


class _Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("docker", timeout=120)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Daemon:
    """The little of its API that tests need."""

    def __init__(self, host):
        assert host.startswith("unix://"), host
        self.host, self.socket = host, host[len("unix://"):]

    def call(self, method, path, body=None, kind="application/json"):
        """(status, document); a body that is neither bytes nor a file is JSON."""
        connection = _Connection(self.socket)
        try:
            if body is not None and not isinstance(body, bytes) and not hasattr(body, "read"):
                body = json.dumps(body).encode()
            connection.request(method, path, body, {"Content-Type": kind})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(data)
        except ValueError:
            return answer.status, data

    def load_rootfs(self, tar, name):
        with open(tar, "rb") as file:
            status, answer = self.call("POST", f"/images/create?fromSrc=-&repo={name}&tag=latest", file, "application/x-tar")
        assert status == 200 and b"error" not in bytes(str(answer), "utf-8"), answer

    def load_archive(self, archive, name):
        """An archive of `docker save`, under another name."""
        with open(archive, "rb") as file:
            status, answer = self.call("POST", "/images/load?quiet=1", file, "application/x-tar")
        text = json.dumps(answer) if not isinstance(answer, bytes) else answer.decode()
        loaded = re.search(r'Loaded image[^:]*: ([^\s\\"]+)', text)
        assert status == 200 and loaded, text
        repository, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "latest")
        query = urllib.parse.urlencode({"repo": repository, "tag": tag})
        status, answer = self.call("POST", f"/images/{urllib.parse.quote(loaded.group(1))}/tag?{query}")
        assert status == 201, answer

    def is_podman(self):
        return any(part["Name"] == "Podman Engine" for part in self.call("GET", "/version")[1]["Components"])

    def leftovers(self):
        """Containers, volumes and networks of runs, by name."""
        filters = urllib.parse.quote(json.dumps({"label": [LABEL]}))
        _, containers = self.call("GET", f"/containers/json?all=1&filters={filters}")
        _, volumes = self.call("GET", f"/volumes?filters={filters}")
        _, networks = self.call("GET", f"/networks?filters={filters}")
        return ({name for c in containers for name in c["Names"]} | {"network " + n["Name"] for n in networks}
                | {"volume " + v["Name"] for v in volumes.get("Volumes") or []})


def current():
    """The daemon that the suites share, or None; also None for tests of the local engine alone."""
    host = os.environ.get(VARIABLE) if os.environ.get(ENGINE) != "local" else None
    return Daemon(host) if host else None


def missing():
    """Why no daemon can be started here, or None."""
    if os.geteuid() != 0:
        return "starting a Docker daemon takes root"
    names = [name for name in ("dockerd", "containerd", "iptables") if not shutil.which(name)]
    return f"not installed: {', '.join(names)}" if names else None


def own_runtimes():
    """gVisor as light-runner wants it to be registered, where there is one."""
    path = tools.runsc()
    return {"runsc": {"path": path, "runtimeArgs": RUNSC_FLAGS},
            NO_NETWORK: {"path": path, "runtimeArgs": [*RUNSC_FLAGS, "--network=none"]}} if path else {}


class Process:
    """A dockerd, and the containerd that it starts."""

    def __init__(self, folder, *options, programs=None, runtimes=None, blind_to=None):
        """programs: the folder of a dockerd, and what goes with it, to use in the place of those in PATH.
        blind_to: a folder of this machine that is empty for it.

        It keeps its hands off the firewall: there can be one daemon alone that has its rules in it, see running().
        """
        self.environment = dict(os.environ, PATH=f"{programs}:{os.environ['PATH']}") if programs else None
        self.folder, self.host = folder, f"unix://{folder}/docker.sock"
        with open(f"{folder}/daemon.json", "w") as file:
            json.dump({"runtimes": runtimes if runtimes is not None else own_runtimes()}, file)
        self.argv = [f"{programs}/dockerd" if programs else "dockerd", "-H", self.host, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec",
                     "--pidfile", f"{folder}/pid", "--config-file", f"{folder}/daemon.json", "--bridge", "none", *options]
        self.argv += [] if "--iptables=true" in options else ["--iptables=false"]
        if blind_to:
            self.argv = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', blind_to, *self.argv]
        self.process = None
        self.start()

    def start(self, seconds=60):
        # After a kill: where nobody waits for orphans, the number of the last containerd looks alive.
        with contextlib.suppress(OSError):
            os.unlink(f"{self.folder}/exec/containerd/containerd.pid")
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                            start_new_session=True, env=self.environment)
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError):
                if Daemon(self.host).call("GET", "/_ping")[0] == 200:
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(os.path.join(self.folder, "log"), errors="replace") as log:
                    last = log.read()[-600:]
                self.stop()
                raise RuntimeError(f"dockerd does not come up: {last}")
            time.sleep(0.1)

    def stop(self):
        """Asks it to end, which takes its containers and its containerd with it."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                pass
        # Whatever it has started is in its session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def remove_networks(self):
        """Their bridges, addresses and rules are the machine's, and would outlive it."""
        if self.process.poll() is not None:
            return
        with contextlib.suppress(OSError):
            daemon = Daemon(self.host)
            for name in (n["Name"] for n in daemon.call("GET", "/networks")[1] if n["Driver"] == "bridge" and n["Name"] != "bridge"):
                daemon.call("DELETE", f"/networks/{name}")

    def remove(self):
        self.remove_networks()
        self.stop()
        # Shims outlive a daemon that was killed.
        subprocess.run(["pkill", "-KILL", "-f", self.folder + "/"], check=False)
        with open("/proc/self/mounts") as mounts:
            inside = [line.split()[1] for line in mounts if line.split()[1].startswith(self.folder + "/")]
        for path in reversed(inside):
            subprocess.run(["umount", "-l", path], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def running(make=None, **options):
    """A daemon for what runs within, in the environment. There is one at a time: at its start and its end it sets the
    firewall's rules anew, and takes away those of another. make: of another kind than dockerd, from a folder."""
    assert not os.environ.get(VARIABLE), "there is one already"
    process, reason = None, None if make else missing()
    if reason is None:
        folder = tempfile.mkdtemp(prefix="lr-dockerd-")
        try:
            process = make(folder) if make else Process(folder, "--iptables=true", **options)
        except RuntimeError as error:
            reason = str(error)
    os.environ[VARIABLE] = process.host if process else ""
    os.environ[REASON] = reason or ""
    try:
        yield
    finally:
        del os.environ[VARIABLE]
        if process:
            process.remove()


def shared():
    """The same for all suites that run within; the one that is there already, if any."""
    return contextlib.nullcontext() if VARIABLE in os.environ else running()


def use():
    """For runs: where the daemon is. Those that name no engine choose it themselves, as a user's do."""
    daemon = current()
    if daemon:
        os.environ["DOCKER_HOST"] = daemon.host
