# SPDX-License-Identifier: MIT
"""Executes every command in the documents as it is printed there: as root and as an ordinary user, with and without a Docker
daemon.

The commands are in the fenced blocks of README.md and other documents, in the displays of the manual pages, and in the last lines of
--help. A registry on loopback replaces Docker's. Files and images that a document assumes (an archive, a folder, an image that
`make demo` makes) exist before its first command.
"""
import contextlib
import glob
import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile

import pytest

from harness import dockerd, image_maker, images, ordinary
from harness.registry import MISSING, Registry

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAM = os.path.abspath(os.environ.get("LIGHT_RUNNER", os.path.join(ROOT, "build", "light-runner")))
VERBS = ["run", "attach", "logs", "stop", "cancel", "pause", "resume", "ls", "clean", "image", "image pull", "image import",
         "image ls", "image rm", "session", "session open", "session run", "session put", "session get", "session read", "session write",
         "session ls", "session stat", "session rm", "session close",
         "session list", "pool", "doctor", "setup", "verify", "network", "reap", "rpc", "completion", "version"]

# Commands that this test does not execute, with the reason.
TAKES_SYSTEMD = "talks to systemd, which is not PID 1 where tests run"
TAKES_THE_INTERNET = "downloads from the internet"
TAKES_THE_MACHINE = "changes what is installed on this machine"
TAKES_DOCKER = "fails without a daemon; contract/test_housekeeping.py has one"
TAKES_A_TERMINAL = "somebody must type; contract/test_terminal.py does"
TAKES_LONG = "is a test suite or a measurement of its own"
NOT_HERE = {
    'light-runner session run -it "$id" -- sh': TAKES_A_TERMINAL,
    "light-runner run -it alpine -- sh": TAKES_A_TERMINAL,
    "make": "tests/run is given what it has built",
    "make demo": "test_make.py executes it",
    "make check": "executes this test",
    "make check-quick": "executes this test",
    "make check-trixie": TAKES_LONG,
    "make check-fast": TAKES_LONG,
    "make lint": TAKES_LONG,
    "make clang": TAKES_LONG,
    "make analyze": TAKES_LONG,
    "make coverage": TAKES_LONG,
    "make fuzz": TAKES_LONG,
    "make soak": TAKES_LONG,
    "make bench": TAKES_LONG,
    "make bench-docker": TAKES_LONG,
    "make bench-tiers": TAKES_LONG,
    "make format": "clang-format is not among the packages of the tests",
    "make help": "test_make.py executes it",
    "make && sudo make install": "test_install.py installs, into a folder of its own",
    "cc hello.c -o hello $(pkg-config --cflags --libs lightrunner)": "packages/test_quickstart.py compiles it against the build",
    "systemd-run --user --scope -p Delegate=yes light-runner run alpine -- ./main.sh": TAKES_SYSTEMD,
    "systemctl enable --now light-runner-reap.timer": TAKES_SYSTEMD,
    "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml": "takes a GPU of NVIDIA's",
    "light-runner run --gpus all my-image -- nvidia-smi": "takes a GPU; contract/test_gpus.py has made-up ones",
    "apt-get install --no-install-recommends qemu-system-x86 linux-image-cloud-amd64": TAKES_THE_MACHINE,
    "light-runner network create my-network": TAKES_DOCKER,
    "light-runner run --network my-network alpine -- ./main.sh": TAKES_DOCKER,
    "light-runner network rm my-network": TAKES_DOCKER,
    "light-runner setup kata": "test_setup_kata.py executes it",
    "mmdebstrap --variant=minbase --include=python3-minimal bookworm python.tar": TAKES_THE_INTERNET,
}
PRINTS = {
    """light-runner run python:3.12-alpine -- "python3 -c 'print(6 * 7)'\"""": "42\n",
    """light-runner run python -- "python3 -c 'print(6 * 7)'\"""": "42\n",
    """light-runner run --argv python -- python3 -c 'print("a  b")'""": """-c print("a  b")\n""",
    "light-runner run my-image -- echo hello": "hello\n",
    "light-runner run busybox echo hello": "hello\n",
}
# Replaces Python: its arguments must have arrived as they were written.
PYTHON = b"""#!/bin/sh
case "$*" in
"-c print(6 * 7)") echo 42 ;;
fib.py) cat >result.json ;;
*.py) test -f "$1" ;;
*) echo "$*" ;;
esac
"""

pytestmark = [
    pytest.mark.account,
    pytest.mark.once,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes a user, which takes root"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def logical_lines(text):
    """The lines without comments, each joined with the lines that continue it."""
    lines = (re.sub(r"\s+#\s.*", "", line).strip() for line in re.sub(r"\\\n\s*", "", text).splitlines())
    return [line for line in lines if line]


def of_markdown(text):
    commands, others = [], []
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if language == "sh":
            commands += logical_lines(block)
        elif language == "console":
            commands += [line[2:] for line in logical_lines(block) if line.startswith("$ ")]
        else:
            others += logical_lines(block)
    # A command in a block of another language would be missed.
    assert not [line for line in others if re.match(r"(\$|light-runner|make|sudo|docker|apt-get) ", line)]
    return commands


def of_manual_page(text):
    """The commands in a page's literal displays, as a terminal shows them."""
    displays = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", text, re.MULTILINE | re.DOTALL)
    shown = [block.replace(r"\e", "\\") for block in displays] + re.findall(r"^\.Dl (.*)$", text, re.MULTILINE)
    assert not [line for line in shown if re.search(r"\\[^\n]", line)], "another escape of roff"
    return [line for block in shown for line in logical_lines(block) if not line.startswith("light-runner: ")]


def of_help(text):
    return re.findall(r"^  ((?:id=\$\()?light-runner (?!VERB).*)$", re.sub(r"\\\n\s*", "", text), re.MULTILINE)


def documented():
    """{document: its commands}"""
    found = {}
    for path in ["README.md", "CONTRIBUTING.md", "SECURITY.md", *glob.glob("docs/*.md", root_dir=ROOT)]:
        found[path] = of_markdown(read(path))
    for path in glob.glob("man/*.1", root_dir=ROOT):
        found[path] = of_manual_page(read(path))
    for verb in ["", *VERBS]:
        done = subprocess.run([PROGRAM, *verb.split(), "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, timeout=30)
        found[f"light-runner {verb} --help"] = of_help(done.stdout.decode())
    return {name: commands for name, commands in sorted(found.items()) if commands}


class Place:
    """A folder for one document, with a user and perhaps a daemon."""

    def __init__(self, folder, uid, variables):
        self.folder, self.uid, self.variables = folder, uid, variables

    def call(self, command):
        argv = ["sh", "-c", command]
        if self.uid:
            argv = ordinary.command(argv, self.folder, **self.variables)
        else:
            variables = {"HOME": self.folder, "TMPDIR": self.folder, "LIGHT_RUNNER_DATA_DIR": f"{self.folder}/data", **self.variables}
            argv = ["env", "-i", *(f"{name}={value}" for name, value in variables.items()), *argv]
        return subprocess.run(argv, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)

    def furnish(self, rootfs, registry):
        """Makes the files that the documents assume."""
        os.mkdir(f"{self.folder}/upload")
        with open(f"{self.folder}/upload/main.sh", "w") as file:
            file.write("#!/bin/sh\nmkdir out\necho done >out/result\n")
        os.chmod(f"{self.folder}/upload/main.sh", 0o755)
        shutil.copytree(f"{self.folder}/upload", f"{self.folder}/src")
        with open(f"{self.folder}/src/main.py", "w") as file:
            file.write("print('hello')\n")
        shutil.copytree(f"{ROOT}/examples", f"{self.folder}/examples")
        with open(f"{self.folder}/request.json", "w") as file:
            file.write('{"image": "demo-python", "entrypoint": "echo hello"}')
        for name in ("rootfs.tar", "python.tar"):
            shutil.copy(rootfs, f"{self.folder}/{name}")
        os.makedirs(f"{self.folder}/.config/containers")
        with open(f"{self.folder}/.config/containers/registries.conf", "w") as file:
            file.write(f'unqualified-search-registries = ["docker.io"]\n[[registry]]\nprefix = "docker.io"\nlocation = "{registry}"\ninsecure = true\n')
        if self.uid:
            subprocess.run(["chown", "-R", f"{self.uid}:{self.uid}", self.folder], check=True)


def stand_in(path):
    """A root file system of busybox, with a script instead of Python, and a program for the examples that copy no folder in."""
    images.make_busybox_tar(path)
    with tarfile.open(path, "a") as tar:
        for name, data in (("usr/bin/python3", PYTHON), ("app/main.sh", b"#!/bin/sh\necho main\n")):
            info = tarfile.TarInfo(name)
            info.mode, info.size = 0o755, len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory):
    return stand_in(str(tmp_path_factory.mktemp("rootfs") / "rootfs.tar"))


@pytest.fixture(scope="module")
def registry(tmp_path_factory, rootfs):
    made = Registry(tmp_path_factory.mktemp("registry") / "r")
    with open(rootfs, "rb") as file:
        image = image_maker.Image(file.read())
    for name, tag in (("alpine", "latest"), ("busybox", "latest"), ("python", "latest"), ("python", "3.12-alpine")):
        made.push(f"library/{name}", tag, image)
    yield made.host
    made.stop()


@pytest.fixture(scope="module", params=["without Docker", "with Docker"])
def docker(request, rootfs):
    """The environment variables for a daemon, or None without one."""
    if request.param == "without Docker":
        yield None
        return
    if dockerd.missing():
        pytest.skip(dockerd.missing())
    folder = tempfile.mkdtemp(prefix="lr-dockerd-")
    daemon = dockerd.Process(folder)
    try:
        # contract/test_pull_on_run.py tests pulls by a daemon.
        for name in ("alpine", "busybox", "demo-python", "python"):
            dockerd.Daemon(daemon.host).load_rootfs(rootfs, name)
        # A member of the group docker has this access.
        os.chmod(folder, 0o711)
        os.chmod(f"{folder}/docker.sock", 0o666)
        yield {"DOCKER_HOST": daemon.host}
    finally:
        daemon.remove()


@pytest.fixture(scope="module", params=["root", "user"])
def uid(request):
    if request.param == "root":
        yield 0
        return
    if not ordinary.can_delegate() or not shutil.which("newuidmap"):
        pytest.skip("takes newuidmap, and controllers on cgroup v1, where a folder can be handed over")
    with contextlib.ExitStack() as stack:
        for made in (ordinary.exclusive(), ordinary.account(), ordinary.subordinate_ids(), ordinary.delegated_cgroups(),
                     ordinary.network_device()):
            stack.enter_context(made)
        yield ordinary.UID


def test_what_is_left_out_is_in_the_documents():
    shown = {command for commands in documented().values() for command in commands}
    assert set(NOT_HERE) <= shown, "no document has it any more"
    assert set(PRINTS) <= shown - set(NOT_HERE)
    print(f"{len(shown)} commands, of which {len(NOT_HERE)} are executed by no test here")


@pytest.mark.parametrize("document", [name for name, commands in documented().items() if set(commands) - set(NOT_HERE)])
def test_commands_work_as_printed(document, docker, uid, rootfs, registry):
    with ordinary.home(uid) as folder:
        bin_folder = f"{folder}/bin"
        os.mkdir(bin_folder)
        os.symlink(PROGRAM, f"{bin_folder}/light-runner")
        place = Place(folder, uid, {"PATH": f"{bin_folder}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", **(docker or {})})
        place.furnish(rootfs, registry)
        failed, commands = [], documented()[document]
        if "demo-python" in " ".join(commands):
            made = place.call("light-runner image import rootfs.tar demo-python")
            assert made.returncode == 0, made
        for command in commands:
            if command in NOT_HERE or (command.startswith("docker ") and not (docker and shutil.which("docker"))):
                continue
            done = place.call(command)
            if done.returncode != 0 or done.stdout.decode() != PRINTS.get(command, done.stdout.decode()):
                failed.append((command, done.returncode, done.stdout[-500:], done.stderr[-500:]))
        assert not failed, "\n".join(map(str, failed))
        if docker:
            place.call("light-runner reap")
