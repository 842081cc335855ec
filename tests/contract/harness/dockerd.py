# SPDX-License-Identifier: MIT
"""A Docker daemon for the tests, on its own socket and with its own data. Both are removed afterwards."""
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

# The address of the daemon that the suites share. If it is empty, there is no daemon, and REASON says why.
VARIABLE, REASON = "LIGHT_RUNNER_TEST_DOCKER", "LIGHT_RUNNER_TEST_DOCKER_REASON"
# The engine whose tests this process runs, set if another process runs those of the other engine.
ENGINE = "LIGHT_RUNNER_TEST_ENGINE"
LABEL = "light-runner.run-id"

# Variables for a daemon, and for pulls by the local engine. Nothing listens at port 9, so the pull of a missing image fails soon. Otherwise
# it would wait 20 s for a name server on machines without a network. A proxy is not used for registries on loopback.
NO_INTERNET = {"RES_OPTIONS": "timeout:1 attempts:1", "HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9",
               "NO_PROXY": "127.0.0.1,localhost"}

# gVisor's own cgroups limit the processes inside the sandbox. Without them, the limit would count the kernel's threads.
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
    """A client of the daemon's API, with the few calls that the tests need."""

    def __init__(self, host):
        assert host.startswith("unix://"), host
        self.host, self.socket = host, host[len("unix://"):]

    def call(self, method, path, body=None, kind="application/json"):
        """Returns (status, document). A body that is neither bytes nor a file is sent as JSON."""
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
        """Loads an archive of `docker save` under another name."""
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
        """The names of the containers, volumes and networks that belong to runs."""
        filters = urllib.parse.quote(json.dumps({"label": [LABEL]}))
        _, containers = self.call("GET", f"/containers/json?all=1&filters={filters}")
        _, volumes = self.call("GET", f"/volumes?filters={filters}")
        _, networks = self.call("GET", f"/networks?filters={filters}")
        return ({name for c in containers for name in c["Names"]} | {"network " + n["Name"] for n in networks}
                | {"volume " + v["Name"] for v in volumes.get("Volumes") or []})


def current():
    """The daemon that the suites share, or None. Always None if only tests of the local engine run."""
    host = os.environ.get(VARIABLE) if os.environ.get(ENGINE) != "local" else None
    return Daemon(host) if host else None


def missing():
    """The reason why no daemon can be started here, or None."""
    if os.geteuid() != 0:
        return "starting a Docker daemon takes root"
    names = [name for name in ("dockerd", "containerd", "iptables") if not shutil.which(name)]
    return f"not installed: {', '.join(names)}" if names else None


def own_runtimes():
    """The runtimes to register for gVisor, with the flags that light-runner needs. Empty if gVisor is not installed."""
    path = tools.runsc()
    return {"runsc": {"path": path, "runtimeArgs": RUNSC_FLAGS},
            NO_NETWORK: {"path": path, "runtimeArgs": [*RUNSC_FLAGS, "--network=none"]}} if path else {}


class Process:
    """A dockerd and the containerd that it starts."""

    def __init__(self, folder, *options, programs=None, runtimes=None, blind_to=None):
        """programs: the folder with dockerd and its helpers to use instead of those in PATH.
        blind_to: a folder of this machine that appears empty to the daemon.

        By default the daemon leaves the firewall alone, because only one daemon at a time can manage its rules; see running().
        """
        self.environment = dict(os.environ, **NO_INTERNET)
        if programs:
            self.environment["PATH"] = f"{programs}:{os.environ['PATH']}"
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
        # After a kill, if nobody reaps orphans, the last containerd is a zombie and its pid file looks valid.
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
        """Asks the daemon to end. It ends its containers and its containerd first."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                pass
        # All processes that the daemon has started are in its session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def remove_networks(self):
        """Removes the daemon's networks: their bridges, addresses and rules belong to the machine and would outlive the daemon."""
        if self.process.poll() is not None:
            return
        with contextlib.suppress(OSError):
            daemon = Daemon(self.host)
            for name in (n["Name"] for n in daemon.call("GET", "/networks")[1] if n["Driver"] == "bridge" and n["Name"] != "bridge"):
                daemon.call("DELETE", f"/networks/{name}")

    def remove(self):
        self.remove_networks()
        self.stop()
        # The shims of a killed daemon are still running.
        subprocess.run(["pkill", "-KILL", "-f", self.folder + "/"], check=False)
        with open("/proc/self/mounts") as mounts:
            inside = [line.split()[1] for line in mounts if line.split()[1].startswith(self.folder + "/")]
        for path in reversed(inside):
            subprocess.run(["umount", "-l", path], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def running(make=None, **options):
    """Runs a daemon and stores its address in the environment while the block lasts. Only one can run at a time: when it starts
    and ends, it rewrites the firewall's rules and removes those of any other. make: a function that starts another kind of daemon in
    a folder."""
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
    """A daemon for all suites inside the block. If one is running already, that one is used."""
    return contextlib.nullcontext() if VARIABLE in os.environ else running()


def use():
    """Points runs to the daemon. Runs that name no engine then choose Docker by themselves, as a user's runs do."""
    daemon = current()
    if daemon:
        os.environ["DOCKER_HOST"] = daemon.host
