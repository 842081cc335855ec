# SPDX-License-Identifier: MIT
"""`gpus` by CDI specs. The tests' specs give the null and zero devices other names."""
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile

import pytest

from harness import host, images

pytestmark = [pytest.mark.cells("local-runc"), pytest.mark.skipif(os.geteuid() != 0, reason="device nodes take root")]


def device(name, node, host_path="/dev/null", **more):
    return {"name": name, "containerEdits": {"env": [f"GPU_{os.path.basename(node)}=1", "LAST=" + node],
                                             "deviceNodes": [{"path": "/dev/" + node, "hostPath": host_path, **more}]}}


class Specs:
    """A folder of specs that the executable reads."""

    def __init__(self, runner, folder):
        self.runner, self.folder = runner, str(folder)
        self.library = os.path.join(self.folder, "libdriver.so.1")
        with open(self.library, "w", encoding="ascii") as file:
            file.write("the driver\n")
        os.chmod(self.library, 0o644)

    def write(self, *devices, name="gpus.json", kind="test.example/gpu", version="0.6.0", mode=0o644, **edits):
        document = {"cdiVersion": version, "kind": kind, "devices": list(devices), "containerEdits": edits}
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as file:
            json.dump(document, file)
        os.chmod(path, mode)
        return path

    def run(self, gpus, script, **fields):
        return self.runner.submit(self.runner.request(script, options={"gpus": gpus}, **fields),
                                  env={**os.environ, "LIGHT_RUNNER_CDI_DIRS": self.folder})

    def fails(self, gpus, *words):
        outcome = self.run(gpus, "echo never")
        assert outcome.code == 125 and b"never" not in outcome.stderr, outcome
        for word in ("gpus",) + words:
            assert word in outcome.error["message"], outcome
        assert outcome.error["hint"], outcome
        return outcome.error


@pytest.fixture
def specs(runner, tmp_path, store):
    if runner.cell != ("local", "runc"):
        pytest.skip("CDI specs are read by the local engine, for the tier that shares the host's devices")
    before = host.leftovers(store)
    yield Specs(runner, tmp_path)
    assert host.new_leftovers(before, store) == {}


@pytest.fixture
def root_folder():
    """A folder that may contain a hook: only root can write to it and above it."""
    folder = tempfile.mkdtemp(prefix="lr-test-cdi-", dir="/run")
    os.chmod(folder, 0o755)
    yield folder
    shutil.rmtree(folder)


NODES = "ls -d /dev/gpu* 2>/dev/null | tr '\\n' ' '"


@pytest.mark.parametrize("gpus, nodes", [
    ("all", "/dev/gpu0 /dev/gpu1 /dev/gpu10"),
    (1, "/dev/gpu0"),
    ("2", "/dev/gpu0 /dev/gpu1"),
    ("0", ""),
    ("0,10", "/dev/gpu0 /dev/gpu10"),
    ("device=1", "/dev/gpu1"),
    ('"device=0,1"', "/dev/gpu0 /dev/gpu1"),
    ("device=GPU-abc", "/dev/gpu1"),
])
def test_which_gpus_are_there(specs, gpus, nodes):
    alias = dict(device("1", "gpu1"), name="GPU-abc")
    everything = {"name": "all", "containerEdits": {"deviceNodes": [{"path": "/dev/gpu-all", "hostPath": "/dev/null"}]}}
    specs.write(device("10", "gpu10"), device("0", "gpu0"), everything, device("1", "gpu1"), alias)
    assert specs.run(gpus, NODES).text.strip() == nodes


def test_without_gpus_no_spec_is_read(specs):
    specs.write(device("0", "gpu0"), version="7.0.0")
    outcome = specs.runner.submit(specs.runner.request(NODES + "; env"),
                                  env={**os.environ, "LIGHT_RUNNER_CDI_DIRS": specs.folder})
    assert outcome.code == 0 and "gpu" not in outcome.text.lower(), outcome


def test_a_node_works_and_is_what_the_spec_permits(specs):
    specs.write(device("0", "gpu0"), device("1", "sub/gpu1", "/dev/zero", permissions="r"))
    outcome = specs.run("all", "echo x >/dev/gpu0 && echo wrote; head -c 3 /dev/sub/gpu1 | wc -c; "
                               "(echo x >/dev/sub/gpu1) 2>&1; chmod 666 /dev/sub/gpu1 2>&1; rm /dev/gpu0 2>&1; "
                               "mount -o remount,suid /dev/gpu0 2>&1; stat -c %F:%t:%T /dev/gpu0")
    assert outcome.lines[:2] == ["wrote", "3"], outcome
    assert "Permission denied" in outcome.lines[2] and "not permitted" in outcome.lines[3], outcome
    assert "busy" in outcome.lines[4] and outcome.lines[-1] == "character special file:1:3", outcome


def test_a_node_can_be_used_without_root(specs):
    specs.write(device("0", "gpu0", fileMode=0o600))
    assert specs.run("0,0", "su nobody -c 'id -u; echo x >/dev/gpu0 && echo wrote'").lines == ["65534", "wrote"]


def test_files_are_read_only(specs):
    folder = os.path.join(specs.folder, "driver")
    os.mkdir(folder, 0o755)
    shutil.copy(specs.library, folder)
    mounts = [{"hostPath": specs.library, "containerPath": "/usr/lib/driver/libdriver.so.1", "options": ["ro", "rbind"]},
              {"hostPath": folder, "containerPath": "/opt/driver"}]
    specs.write(device("0", "gpu0"), mounts=mounts)
    outcome = specs.run("all", "cat /usr/lib/driver/libdriver.so.1 /opt/driver/libdriver.so.1; "
                               "(echo x >/usr/lib/driver/libdriver.so.1) 2>&1; touch /opt/driver/new 2>&1; "
                               "mount -o remount,rw,bind /opt/driver 2>&1")
    assert outcome.lines[:2] == ["the driver"] * 2 and outcome.text.count("Read-only") == 2, outcome
    assert os.listdir(folder) == ["libdriver.so.1"]


def test_a_socket_of_the_host_stays_out(specs):
    path = os.path.join(specs.folder, "daemon.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        specs.write(device("0", "gpu0"), mounts=[{"hostPath": path, "containerPath": "/var/daemon.sock"}])
        assert specs.run("all", "ls /var; echo end").lines == ["end"]


def test_env_reaches_the_command_over_all_else(specs):
    specs.write(device("0", "gpu0"), env=["VISIBLE=void", "LAST=wide"])
    outcome = specs.run("all", 'echo "$VISIBLE|$LAST|$GPU_gpu0|$MINE"; tr "\\0" "\\n" </proc/$$/environ | grep -c ^VISIBLE=',
                        env={"VISIBLE": "all", "MINE": "m"})
    assert outcome.lines == ["void|gpu0|1|m", "1"]


def test_yaml(specs):
    path = os.path.join(specs.folder, "gpus.yaml")
    with open(path, "w", encoding="ascii") as file:
        file.write("---\ncdiVersion: 0.5.0\nkind: test.example/gpu\ndevices:\n- name: \"0\"\n  containerEdits:\n"
                   "    deviceNodes:\n    - path: /dev/gpu0\n      hostPath: /dev/null\n      fileMode: 438\n")
    os.chmod(path, 0o644)
    assert specs.run("0,", NODES).code == 125
    assert specs.run("all", NODES).text.strip() == "/dev/gpu0"


def test_a_hook_runs_as_nobody_and_sees_the_root(specs, root_folder):
    program = os.path.join(root_folder, "hook")
    with open(program, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\nbundle=$(tr -d '\\n' | sed 's/.*\"bundle\": *\"\\([^\"]*\\)\".*/\\1/')\n"
                   "root=$(sed 's/.*\"root\": *{\"path\": *\"\\([^\"]*\\)\".*/\\1/' $bundle/config.json)\n"
                   "exec 2>&1 >$root/hooked\necho \"$1:$HOOKED:$LEAKED:$(cat /etc/shadow 2>&1 | grep -c root:)\"\n"
                   "sed 's/ \\+/ /g' /proc/self/uid_map\ncp $root/bin/busybox /run/planted && echo planted\nexit 0\n")
    os.chmod(program, 0o755)
    specs.write(device("0", "gpu0"), hooks=[{"hookName": "createContainer", "path": program,
                                             "args": ["hook", "word"], "env": ["HOOKED=yes"]}])
    outcome = specs.run("all", "cat /hooked; stat -c %u /hooked", env={"LEAKED": "leaked"})
    assert outcome.lines[:1] == ["word:yes::0"], outcome
    assert outcome.lines[1].split()[0] == "0" and int(outcome.lines[1].split()[1]) > 0, outcome
    assert outcome.lines[-1] == "0" and "planted" not in outcome.lines, outcome
    assert not os.path.exists("/run/planted")


def test_a_hook_that_fails_fails_the_run(specs, root_folder):
    program = os.path.join(root_folder, "hook")
    with open(program, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\nexit 3\n")
    os.chmod(program, 0o755)
    specs.write(device("0", "gpu0"), hooks=[{"hookName": "createContainer", "path": program}])
    outcome = specs.run("all", "echo never")
    assert outcome.error["code"] == "CONTAINER_START_FAILED" and b"never" not in outcome.stderr, outcome


def hook(folder, name, text):
    program = os.path.join(folder, name)
    with open(program, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(program, 0o755)
    return {"hookName": "createContainer", "path": program}


ROOT = "bundle=$(sed 's/.*\"bundle\": *\"\\([^\"]*\\)\".*/\\1/'); root=$bundle/../root; "


def test_hooks_run_one_after_the_other_when_the_mounts_are_there(specs, root_folder):
    first = hook(root_folder, "first", ROOT + "{ echo first; cat $root/opt/driver; ls -d $root/dev/gpu0 $root/proc/1 | wc -l; } >$root/hooked\n")
    second = hook(root_folder, "second", ROOT + "echo second >>$root/hooked\n")
    specs.write(device("0", "gpu0"), hooks=[first, second, first], mounts=[{"hostPath": specs.library, "containerPath": "/opt/driver"}])
    assert specs.run("all", "cat /hooked").lines == ["first", "the driver", "2", "second"]


def test_a_hook_that_hangs_is_killed(specs, root_folder):
    specs.write(device("0", "gpu0"), hooks=[dict(hook(root_folder, "hook", "echo here >&2\nsleep 60\n"), timeout=1)])
    outcome = specs.run("all", "echo never")
    assert outcome.error["code"] == "CONTAINER_START_FAILED" and b"never" not in outcome.stderr, outcome
    assert "here" in outcome.error["message"], outcome


def test_what_a_hook_leaves_running_is_killed(specs, root_folder):
    specs.write(device("0", "gpu0"), hooks=[hook(root_folder, "hook", "setsid sleep 60 >/dev/null 2>&1 </dev/null &\nexit 0\n")])
    assert specs.run("all", "grep -lE 'agent|sleep' /proc/[0-9]*/comm").lines == ["/proc/1/comm"]


def test_a_mount_in_a_folder_that_is_one(specs):
    folder = os.path.join(specs.folder, "driver")
    os.mkdir(folder, 0o755)
    shutil.copy(specs.library, os.path.join(folder, "inner"))
    with open(specs.library, "a", encoding="ascii") as file:
        file.write("another\n")
    specs.write(device("0", "gpu0"), mounts=[{"hostPath": folder, "containerPath": "/opt/driver"},
                                             {"hostPath": specs.library, "containerPath": "/opt/driver/inner"}])
    assert specs.run("all", "cat /opt/driver/inner").lines == ["the driver", "another"]


def test_no_oci_runtime_is_needed(specs, root_folder):
    """A run with GPUs where neither crun nor runc is a program."""
    hidden = " ; ".join(f"mount --bind /dev/null {path}" for path in map(shutil.which, ("crun", "runc")) if path)
    specs.write(device("0", "gpu0"), hooks=[hook(root_folder, "hook", "exit 0\n")])
    outcome = specs.runner.submit(specs.runner.request(NODES, options={"gpus": "all"}), env={**os.environ, "LIGHT_RUNNER_CDI_DIRS": specs.folder},
                                  before=["unshare", "--mount", "sh", "-c", (hidden or ":") + ' ; exec "$@"', "sh"])
    assert outcome.text.strip() == "/dev/gpu0"


def test_no_spec_at_all(specs):
    error = specs.fails("all", "no CDI spec")
    assert error["code"] == "CONTAINER_START_FAILED" and "nvidia-ctk cdi generate" in error["hint"]


@pytest.mark.parametrize("gpus", ["7,8", "device=x", 3, "count=many", "capabilities=gpu"])
def test_what_is_not_there_is_named(specs, gpus):
    specs.write(device("0", "gpu0"), device("1", "gpu1"))
    error = specs.fails(gpus)
    assert error["code"] == "INVALID_ARGUMENT"
    if "=" not in str(gpus):
        assert "test.example/gpu=0, test.example/gpu=1" in error["message"]


@pytest.mark.parametrize("word, spec", [
    ("cdiVersion", {"version": "9.9.9"}),
    ("vendor.com/class", {"kind": "/gpu"}),
    ("netDevices", {"netDevices": []}),
    ("/proc", {"mounts": [{"hostPath": "/etc/passwd", "containerPath": "/proc/sys/kernel/core_pattern"}]}),
    ("/sys", {"mounts": [{"hostPath": "/etc", "containerPath": "/sys"}]}),
    ("..", {"mounts": [{"hostPath": "/etc/passwd", "containerPath": "/x/../proc/x"}]}),
    ("rw", {"mounts": [{"hostPath": "/etc/passwd", "containerPath": "/x", "options": ["rw"]}]}),
    ("createRuntime", {"hooks": [{"hookName": "createRuntime", "path": "/bin/true"}]}),
])
def test_a_spec_that_is_refused(specs, word, spec):
    specs.write(device("0", "gpu0"), **spec)
    assert specs.fails("all", word, "gpus.json")["code"] == "CONTAINER_START_FAILED"


def test_a_spec_that_others_can_write_is_refused(specs):
    specs.write(device("0", "gpu0"), mode=0o666)
    hint = specs.fails("all", "not root's alone")["hint"]
    assert "chmod go-w" in hint
    subprocess.run(["sh", "-c", hint], check=True, timeout=10)
    assert specs.run("all", NODES).text.strip() == "/dev/gpu0"


def test_an_image_cannot_lead_a_mount_out_of_it(specs, executable, tmp_path):
    """The image's own links resolve a mount's target, but only within the sandbox's root."""
    outside = tempfile.mkdtemp(prefix="lr-test-cdi-")
    os.chmod(outside, 0o777)
    try:
        links = {"abs": outside, "rel": "../../../../../../../.." + outside, "proc": "/proc/sys", "dev": "/dev", "tmp2": "/tmp"}
        tar = images.make_busybox_tar(str(tmp_path / "links.tar"))
        with tarfile.open(tar, "a") as archive:
            for name, target in links.items():
                info = tarfile.TarInfo("links/" + name)
                info.type, info.linkname = tarfile.SYMTYPE, target
                archive.addfile(info, io.BytesIO())
        subprocess.run([executable, "image", "import", tar, "links"], check=True, stdout=subprocess.DEVNULL, timeout=60)
        for name in links:
            specs.write(device("0", "gpu0"),
                        mounts=[{"hostPath": specs.library, "containerPath": f"/links/{name}/planted"}])
            outcome = specs.run("all", f"cat /links/{name}/planted", image="links")
            assert os.listdir(outside) == []
            # The target is created inside, or not at all.
            if outcome.code == 0:
                assert outcome.lines == ["the driver"] and name not in ("proc", "dev"), outcome
            else:
                assert outcome.error["code"] == "CONTAINER_START_FAILED" and name != "tmp2", outcome
    finally:
        shutil.rmtree(outside)
        subprocess.run([executable, "image", "rm", "links"], check=True, stdout=subprocess.DEVNULL, timeout=60)
