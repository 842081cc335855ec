# SPDX-License-Identifier: MIT
"""Hints help: each test follows a hint and checks that the error is gone. test_hints.py lists all hints, with the test that
executes each of them.

The tests break the machine in their own mount namespaces.
"""
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import types

import pytest

from harness import images, tools
from harness.image_maker import busybox_layer, entry, folder, layer

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAM = os.path.abspath(os.environ.get("LIGHT_RUNNER", os.path.join(ROOT, "build", "light-runner")))
# Not in /etc/passwd, so without HOME it has no home.
UNKNOWN = 54321
# Scripts for `broken`.
NO_NETWORK = "ip link set lo up"
# Example values in hints.
EXAMPLE = re.compile(r"(?<![\w/.])(?:/\w+|\d[\w.]*)")

pytestmark = [pytest.mark.once, pytest.mark.skipif(os.geteuid() != 0, reason="takes a mount namespace")]


@pytest.fixture(scope="module")
def busybox(tmp_path_factory):
    return images.make_busybox_tar(str(tmp_path_factory.mktemp("image") / "busybox.tar"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory, busybox):
    """A store with the image `busybox`, which the tests do not change."""
    store = tmp_path_factory.mktemp("store")
    subprocess.run([PROGRAM, "image", "import", "--engine", "local", busybox, "busybox"], check=True, timeout=120,
                   env=dict(os.environ, LIGHT_RUNNER_DATA_DIR=str(store)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return store


@pytest.fixture
def place(shared, tmp_path):
    """The environment of calls: the local engine, and the test's own folder for states."""
    environment = dict(os.environ, LIGHT_RUNNER_DATA_DIR=str(shared), LIGHT_RUNNER_STATE_DIR=str(tmp_path / "states"),
                       LIGHT_RUNNER_ENGINE="local", LR=PROGRAM)
    environment.pop("DOCKER_HOST", None)
    return environment


@pytest.fixture
def own(place, tmp_path, busybox):
    """The same, with a store that the test may change: (environment, folder)."""
    environment = dict(place, LIGHT_RUNNER_DATA_DIR=str(tmp_path / "store"))
    good(call(environment, "image", "import", busybox, "busybox"))
    return environment, tmp_path / "store"


def call(environment, *words, broken="", program=PROGRAM, **more):
    """broken: a shell script that runs first, in the same new mount namespace."""
    argv = [program, *map(str, words)]
    if broken:
        argv = ["unshare", "-m", *(["-n"] if broken == NO_NETWORK else []), "sh", "-ec", broken + '\nexec "$@"', "sh", *argv]
    done = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=120, **more)
    return types.SimpleNamespace(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())


def good(outcome):
    assert outcome.code == 0, outcome
    return outcome


def hint_of(outcome):
    """The hint of an error, from JSON or from text."""
    assert outcome.code == 125, outcome
    if outcome.out.startswith("{"):
        return json.loads(outcome.out)["error"]["hint"]
    assert outcome.err.startswith("light-runner: ") and outcome.err.endswith(")\n"), outcome
    return outcome.err.strip()


def run(environment, *words, **more):
    return call(environment, "run", "--json", "--network", "none", *words, **more)


# ---------------------------------------------------------------- values

@pytest.mark.parametrize("flag, wrong", [("--timeout", "soon"), ("--cpu-timeout", "soon"), ("--memory", "much"), ("--disk", "12x"),
                                         ("--pids", "many"), ("--cpus", "x"), ("--workdir", "app")])
def test_values_of_flags_that_hints_give_are_taken(place, flag, wrong):
    found = EXAMPLE.findall(hint_of(run(place, flag, wrong, "busybox", "--", "true")).rpartition("(")[2])
    assert found
    for example in found:
        good(run(place, flag, example, "busybox", "--", "true"))


def submit(place, tmp_path, text):
    (tmp_path / "request.json").write_text(text)
    return call(place, "run", "--json", "--request", tmp_path / "request.json")


def document(**more):
    return json.dumps({"image": "busybox", "entrypoint": "true", "networks": ["none"], **more})


# A wrong value, a part of the hint, and the value that the hint recommends.
VALUES = {
    "memory": ({"options": {"memory": 512}}, '"512m"', {"options": {"memory": "512m"}}),
    "cpus": ({"options": {"cpus": "x"}}, "0.5", {"options": {"cpus": 0.5}}),
    "timeout": ({"timeout": 1.5}, "milliseconds", {"timeout": 15000}),
    "cpuTimeout": ({"cpuTimeout": 1.5}, "milliseconds of CPU time", {"cpuTimeout": 15000}),
    "ignore": ({"ignore": ["a/b"]}, "without a slash", {"ignore": ["b"]}),
    "workdir": ({"workdir": "app"}, "/app", {"workdir": "/app"}),
    "a folder of the kernel": ({"workdir": "/proc/x"}, "/app", {"workdir": "/app"}),
    "a network": ({"networks": ["other"]}, "--network none", {"networks": ["none"]}),
    "an accelerator": ({"options": {"accelerator": "kvm"}}, "leave out --accelerator", {}),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_of_documents_that_hints_give_are_taken(place, tmp_path, name):
    wrong, words, right = VALUES[name]
    assert words in hint_of(submit(place, tmp_path, document(**wrong)))
    good(submit(place, tmp_path, document(**right)))


def test_the_document_that_a_hint_gives_is_taken(place, tmp_path):
    hint = hint_of(submit(place, tmp_path, "image: busybox"))
    example = json.loads(hint[hint.index("{"):hint.index("}") + 1])
    good(submit(place, tmp_path, json.dumps({**example, "image": "busybox", "networks": ["none"]})))


def test_a_field_that_a_hint_names_is_known(place, tmp_path):
    hint = hint_of(submit(place, tmp_path, document(options={"memroy": "512m"})))
    assert "memory" in hint.rpartition(":")[2]
    good(submit(place, tmp_path, document(options={"memory": "512m"})))


def test_the_help_that_a_hint_names_is_there(place):
    verbs = re.findall(r"^  ([a-z]+) ", call(place, "--help").out, re.MULTILINE)
    assert "run" in verbs
    for words in ([], *([verb] for verb in verbs), ["image", "pull"], ["image", "ls"], ["setup", "gvisor"], ["setup", "kata"]):
        hint = re.search(r"light-runner ([a-z ]*--help)", hint_of(call(place, *words, "--nope")))
        assert hint, words
        assert good(call(place, *hint.group(1).split())).out.lower().startswith("usage"), hint


# ---------------------------------------------------------------- commands and files

def test_an_image_without_a_command_takes_one(place):
    assert "after the image's name" in hint_of(run(place, "busybox"))
    good(run(place, "busybox", "--", "true"))


def test_an_image_without_a_shell_takes_argv(own, tmp_path):
    environment, _ = own
    with open(images.BUSYBOX, "rb") as file:
        program = file.read()
    (tmp_path / "bare.tar").write_bytes(layer(folder("opt"), entry("opt/echo", data=program, mode=0o755)))
    good(call(environment, "image", "import", tmp_path / "bare.tar", "bare"))
    assert "--argv" in hint_of(run(environment, "bare", "--", "/opt/echo x"))
    good(run(environment, "--argv", "bare", "--", "/opt/echo", "x"))
    assert "run --argv IMAGE -- PROGRAM ARGUMENT" in hint_of(run(environment, "--argv", "bare"))


def test_a_folder_to_copy_in(place, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_text("x")
    assert "that exists" in hint_of(run(place, "--dir", tmp_path / "none", "busybox", "--", "true"))
    assert "the folder that holds the file" in hint_of(run(place, "--dir", tmp_path / "in" / "file", "busybox", "--", "cat file"))
    good(run(place, "--dir", tmp_path / "in", "busybox", "--", "cat file"))


def test_a_folder_that_is_larger_than_the_disk(place, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_bytes(bytes(24 << 20))
    words = ["--dir", tmp_path / "in", "busybox", "--", "test -s file"]
    flag = re.search(r"--disk \d+g", hint_of(run(place, "--disk", "16m", *words)))
    good(run(place, *flag.group().split(), *words))


# ---------------------------------------------------------------- images

def test_names_that_are_not_there_are_listed(own):
    environment, _ = own
    hint = hint_of(call(environment, "image", "rm", "nope"))
    assert "light-runner image ls" in hint and "busybox" in good(call(environment, "image", "ls")).out
    assert "light-runner ls" in hint_of(call(environment, "logs", "light-runner-0123456789ab"))
    run_id = good(call(environment, "run", "--detach", "--network", "none", "busybox", "--", "true")).out.strip()
    assert "light-runner ls" in hint_of(call(environment, "stop", "light-runner-0123456789ab"))
    assert run_id in good(call(environment, "ls")).out
    good(call(environment, "attach", run_id))


def test_verify_takes_an_image_that_is_here(own, busybox):
    environment, _ = own
    good(call(environment, "image", "rm", "busybox"))
    # Its default image would be pulled, but there is no network.
    assert "--image NAME" in hint_of(call(environment, "verify", "--engine", "local", broken=NO_NETWORK))
    good(call(environment, "image", "import", busybox, "other"))
    assert "other" in good(call(environment, "image", "ls")).out
    good(call(environment, "verify", "--engine", "local", "--image", "other", broken=NO_NETWORK))


@pytest.mark.parametrize("how", ["gone", "cut", "damaged"])
def test_an_image_whose_file_is_not_good_is_imported_again(own, busybox, how):
    environment, store = own
    file, = (store / "images").glob("*.erofs")
    if how == "gone":
        file.unlink()
    elif how == "cut":
        os.truncate(file, 4096)
    else:
        with open(file, "r+b") as damaged:
            damaged.seek(1024)
            damaged.write(bytes(4096))
    hint = hint_of(run(environment, "busybox", "--", "true"))
    assert "import it again" in hint, hint
    if "remove" in hint:
        good(call(environment, "image", "rm", "busybox"))
    good(call(environment, "image", "import", busybox, "busybox"))
    good(run(environment, "busybox", "--", "true"))


def test_an_index_that_cannot_be_read_is_removed(own, busybox):
    environment, store = own
    (store / "images" / "index.json").write_text("not JSON")
    hint = hint_of(run(environment, "busybox", "--", "true"))
    named = re.search(r"remove '([^']+)' and pull or import", hint).group(1)
    assert named == str(store / "images" / "index.json")
    os.unlink(named)
    good(call(environment, "image", "import", busybox, "busybox"))
    good(run(environment, "busybox", "--", "true"))


def test_an_index_of_a_newer_version_leaves_another_folder(own, tmp_path, busybox):
    environment, store = own
    (store / "images" / "index.json").write_text('{"version": 99}')
    assert "another LIGHT_RUNNER_DATA_DIR" in hint_of(call(environment, "image", "ls"))
    good(call(dict(environment, LIGHT_RUNNER_DATA_DIR=str(tmp_path / "other")), "image", "import", busybox, "busybox"))


def test_a_folder_that_is_a_root_file_system_goes_through_tar(own, tmp_path):
    environment, _ = own
    (tmp_path / "root").mkdir()
    with tarfile.open(fileobj=io.BytesIO(busybox_layer())) as tar:
        tar.extractall(tmp_path / "root")
    hint = hint_of(call(environment, "image", "import", "--json", tmp_path / "root", "x"))
    command = hint.partition(": ")[2].replace("FOLDER", '"$FOLDER"').replace("light-runner", '"$LR"').replace("NAME", "x")
    assert "tar -C" in command, hint
    subprocess.run(["sh", "-c", command], env=dict(environment, FOLDER=str(tmp_path / "root")), check=True, timeout=60,
                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    good(run(environment, "x", "--", "true"))


# ---------------------------------------------------------------- folders of light-runner

@pytest.mark.parametrize("words, variable", [(["image", "ls"], "LIGHT_RUNNER_DATA_DIR"), (["ls"], "LIGHT_RUNNER_STATE_DIR")])
def test_a_folder_that_others_may_write_is_closed(own, tmp_path, words, variable):
    environment, store = own
    open_to_all = store if variable == "LIGHT_RUNNER_DATA_DIR" else tmp_path / "states"
    open_to_all.mkdir(exist_ok=True)
    open_to_all.chmod(0o777)
    hint = hint_of(call(environment, *words))
    assert "chmod go-w" in hint and variable in hint, hint
    good(call(dict(environment, **{variable: str(tmp_path / "other")}), *words))
    subprocess.run(["chmod", "go-w", str(open_to_all)], check=True, timeout=10)
    good(call(environment, *words))


@pytest.mark.parametrize("words, variable", [(["image", "ls", "--engine", "local"], "LIGHT_RUNNER_DATA_DIR"),
                                             (["ls"], "LIGHT_RUNNER_STATE_DIR")])
def test_a_user_without_a_home_names_a_folder(place, tmp_path, words, variable):
    probe = subprocess.run([PROGRAM, "version"], user=UNKNOWN, group=UNKNOWN, extra_groups=[], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False, timeout=30) if os.access(PROGRAM, os.X_OK) else None
    if not probe or probe.returncode:
        pytest.skip("the checkout cannot be entered by other users")
    user = {"user": UNKNOWN, "group": UNKNOWN, "extra_groups": []}
    environment = {"PATH": place["PATH"]}
    hint = hint_of(call(environment, *words, **user))
    assert variable in hint, hint
    mine = tmp_path / "mine"
    mine.mkdir()
    os.chown(mine, UNKNOWN, UNKNOWN)
    for above in (tmp_path, *tmp_path.parents):
        if str(above).startswith("/tmp/"):
            above.chmod(0o711)
    good(call(dict(environment, **{variable: str(mine)}), *words, **user))


# ---------------------------------------------------------------- Docker

def test_a_daemon_that_is_not_there(place, tmp_path):
    away = dict(place, DOCKER_HOST=f"unix://{tmp_path}/none")
    words = ["busybox", "--", "true"]
    hint = hint_of(run(away, "--engine", "docker", *words))
    flag = re.search(r"--engine local", hint)
    assert "DOCKER_HOST" in hint and flag, hint
    good(run(away, *flag.group().split(), *words))


def test_an_address_that_is_none_is_set_to_one(place, tmp_path):
    hint = hint_of(run(dict(place, DOCKER_HOST="nonsense"), "--engine", "docker", "busybox", "--", "true"))
    address = re.search(r"unix://", hint).group() + str(tmp_path / "none")
    # The value is accepted, and now the daemon is missing.
    outcome = run(dict(place, DOCKER_HOST=address), "--engine", "docker", "busybox", "--", "true")
    assert json.loads(outcome.out)["error"]["code"] == "DOCKER_UNREACHABLE", outcome


# ---------------------------------------------------------------- programs

def test_a_runtime_that_a_variable_names(place):
    words = ["--runtime", "runsc", "busybox", "--", "true"]
    wrong = dict(place, LIGHT_RUNNER_RUNSC="/nonexistent/runsc")
    hint = hint_of(run(wrong, *words))
    assert hint.startswith("unset LIGHT_RUNNER_RUNSC"), hint
    if tools.runsc():
        good(run(dict(place, LIGHT_RUNNER_RUNSC=tools.runsc()), *words))


def test_helpers_that_are_elsewhere_are_named(place, tmp_path):
    """The executable was moved away from its helpers."""
    alone = tmp_path / "light-runner"
    shutil.copy(PROGRAM, alone)
    words = ["run", "--json", "--network", "none", "busybox", "--", "true"]
    outcome = call(place, *words, program=str(alone))
    if outcome.code == 0:
        pytest.skip("light-runner is installed on this machine, where its helpers are found")
    variable = re.search(r"LIGHT_RUNNER_(?:SUPERVISOR|LIBEXEC)", hint_of(outcome)).group()
    rows = {row["name"]: row["detail"] for row in json.loads(call(place, "doctor", "--json").out)["checks"]}
    supervisor, libexec = rows["supervisor"], tmp_path / "libexec"
    libexec.mkdir()
    for name in ("supervisor", "agent", "seccomp compiler", "unpack helper"):
        (libexec / os.path.basename(rows[name])).symlink_to(rows[name])
    named = {"LIGHT_RUNNER_SUPERVISOR": supervisor, "LIGHT_RUNNER_LIBEXEC": str(libexec)}
    good(call(dict(place, **{variable: named[variable]}), *words, program=str(alone)))
    hint = hint_of(call(dict(place, LIGHT_RUNNER_SUPERVISOR="/nonexistent"), *words))
    assert "set LIGHT_RUNNER_SUPERVISOR" in hint, hint
    good(call(dict(place, LIGHT_RUNNER_SUPERVISOR=supervisor), *words))


# The hidden program, and a call that needs it.
PROGRAMS = {
    "mkfs.ext4": ["run", "--json", "--network", "none", "--disk", "77m", "busybox", "--", "true"],
    "pasta": ["run", "--json", "busybox", "--", "true"],
    "skopeo": ["image", "pull", "--json", "127.0.0.1:1/x"],
    "mkfs.erofs": ["image", "import", "--json", "TAR", "x"],
    "seccomp.json": ["run", "--json", "--network", "none", "busybox", "--", "true"],
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_package_of_a_hint_has_what_is_missing(place, tmp_path, busybox, program):
    """The package is installed, so dpkg knows which package contains the program."""
    folders = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/usr/share/containers")
    paths = [f"{folder}/{program}" for folder in folders if os.path.exists(f"{folder}/{program}")]
    owner = subprocess.run(["dpkg-query", "-S", f"*/{program}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
                           timeout=30).stdout.decode() if shutil.which("dpkg-query") else ""
    if not paths or not owner:
        pytest.skip(f"{program} is not of a Debian package here")
    (tmp_path / "empty").write_text("")
    hide = "\n".join(f'mount --bind {tmp_path}/empty "$(realpath {path})"' for path in paths)
    if program == "seccomp.json":
        hide = "mount -t tmpfs none /usr/share/containers"
    words = [busybox if word == "TAR" else word for word in PROGRAMS[program]]
    environment = dict(place, LIGHT_RUNNER_DATA_DIR=str(tmp_path / "new")) if busybox in words else place
    hint = hint_of(call(environment, *words, broken=hide))
    package = re.search(r"apt-get install ([a-z0-9.+-]+)", hint)
    assert package and re.search(rf"^{re.escape(package.group(1))}(?::\w+)?: ", owner, re.MULTILINE), (hint, owner)
    if "--network none" in hint:
        good(run(place, "busybox", "--", "true", broken=hide))


def test_ranges_of_ids_take_a_folder_that_can_be_written(place):
    broken = "mkdir -p /run/light-runner; mount -t tmpfs -o ro none /run/light-runner"
    hint = hint_of(run(place, "busybox", "--", "true", broken=broken))
    named = re.search(r"make (\S+) a folder that root can write to", hint).group(1)
    good(run(place, "busybox", "--", "true", broken=f"{broken}; mount -o remount,rw {named}"))


def test_a_controller_that_is_not_mounted(place):
    if not os.path.isdir("/sys/fs/cgroup/pids"):
        pytest.skip("controllers are mounted one by one with cgroup v1 alone")
    hint = hint_of(run(place, "busybox", "--", "true", broken="umount /sys/fs/cgroup/pids"))
    assert "mount it" in hint, hint
    good(run(place, "busybox", "--", "true", broken="umount /sys/fs/cgroup/pids; mount -t cgroup -o pids none /sys/fs/cgroup/pids"))
