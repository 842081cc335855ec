# SPDX-License-Identifier: MIT
"""The defaults that no option turns off: capabilities, no-new-privileges, seccomp, limits, isolated views of the system."""
import os
import socket
import uuid

import pytest

from harness import host

pytestmark = pytest.mark.vm

CAPABILITIES = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "FSETID": 4, "KILL": 5, "SETGID": 6, "SETUID": 7,
                "NET_BIND_SERVICE": 10}


KERNEL_SETTINGS = ["/proc/sys/kernel/domainname", "/proc/sys/vm/drop_caches", "/proc/sys/net/ipv4/ip_forward",
                   "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity"]
REVEALING = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/latency_stats"]

# The state that the tests below check. One run per cell collects it.
VIEWS = {
    "status": "cat /proc/self/status",
    "interfaces": "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '",
    "settings": f"for f in {' '.join(KERNEL_SETTINGS)}; do if [ -e $f ] && (echo 1 > $f) 2>/dev/null; then echo written $f; fi; done",
    "revealing": f"for f in {' '.join(REVEALING)}; do head -c 1 $f 2>/dev/null | wc -c; done",
    "sys": "for f in $(find /sys -type f -perm -200 2>/dev/null | head -200); do (: >> $f) 2>/dev/null && echo written $f; done",
    "processes": "for p in /proc/[0-9]*; do basename $p; done",
    "blocks": "find /dev -type b | wc -l",
    "devices": "find /dev -type c -maxdepth 1",
    "hostname": "hostname",
    "mounts": "cat /proc/mounts /proc/self/mountinfo",
    "setuid": """cp /bin/busybox /tmp/busybox; chmod 4755 /tmp/busybox; ls -l /tmp/busybox | cut -c4
        su nobody -s /bin/sh -c '/tmp/busybox id -u; /tmp/busybox grep NoNewPrivs /proc/self/status'""",
    "cgroups": """for d in $(find /sys/fs/cgroup -type d 2>/dev/null | head -100); do
        (mkdir $d/x) 2>/dev/null && echo made $d; (echo 1 > $d/cgroup.procs) 2>/dev/null && echo moved $d; done""",
}
# Formatted with a file of the host and a port on the host's loopback.
REACHES = {
    "files": "cat {file}; cat /proc/1/root{file}; cat /proc/self/root{file}; ls -a / /root /tmp /home",
    "web": "wget -T 2 -q -O- http://192.0.2.1/ >/dev/null 2>&1; echo $?",
    "loopback": "echo x | nc -w 2 127.0.0.1 {port} >/dev/null 2>&1; echo $?",
}
MARK = "the view of "
SECRET = uuid.uuid4().hex


@pytest.fixture(scope="session")
def seen_by_cell():
    return {}


@pytest.fixture
def view(runner, seen_by_cell, tmp_path):
    """Returns a function: view(name) is the output of this script of VIEWS or REACHES in the cell, as lines."""
    def look():
        (tmp_path / "secret").write_text(SECRET)
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            reaches = {name: script.format(file=tmp_path / "secret", port=server.getsockname()[1]) for name, script in REACHES.items()}
            return runner.ok("\n".join(f"echo '{MARK}{each}'; ({script}\n)" for each, script in {**VIEWS, **reaches}.items()) + "\nexit 0")

    def lines(name):
        if runner.cell not in seen_by_cell:
            outcome = look()
            found = seen_by_cell[runner.cell] = {}
            for line in outcome.lines:
                if line.startswith(MARK):
                    part = found.setdefault(line[len(MARK):], [])
                else:
                    part.append(line)
        return seen_by_cell[runner.cell][name]
    return lines


def status(view):
    return {key: value.strip() for key, _, value in (line.partition(":") for line in view("status"))}


def test_capabilities_are_exactly_the_allowed_ones(view):
    allowed = sum(1 << bit for bit in CAPABILITIES.values())
    seen = status(view)
    assert int(seen["CapBnd"], 16) == allowed
    for which in ("CapPrm", "CapEff"):
        assert int(seen[which], 16) & ~allowed == 0
    for which in ("CapInh", "CapAmb"):
        assert int(seen[which], 16) == 0


def test_no_new_privileges_is_set(view):
    assert status(view)["NoNewPrivs"] == "1"


def test_a_seccomp_filter_is_set(runner, view):
    if runner.tier == "kata":
        pytest.skip("the tier's own kernel answers; test_result.py looks at its evidence")
    assert status(view)["Seccomp"] == "2"


def test_process_limit(runner):
    """A loop of forks gets EAGAIN in the sandbox. The run ends as its program decides: here by a SIGKILL, which is no OOM kill."""
    script = """
    (i=0; while [ $i -lt 300 ]; do sleep 20 & i=$((i+1)); done) 2>/dev/null
    n=0; for p in /proc/[0-9]*; do n=$((n+1)); done; echo $n; kill -9 $$"""
    outcome = runner.run(script, timeout=60000)
    assert outcome.code == 137 and outcome.json["oomKilled"] is False, outcome
    assert 50 <= int(outcome.lines[-1]) <= 101


@pytest.mark.seconds(120)
def test_a_fork_bomb_fails_inside(runner):
    outcome = runner.run("bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 1; exit 0", timeout=15000, deadline=60)
    assert "error" not in outcome.json, outcome


def test_over_the_memory_limit_is_an_oom_kill(runner):
    """Below the limit, nothing happens: test_result.py::test_usage_tells_memory."""
    outcome = runner.run("exec dd if=/dev/zero of=/dev/null bs=300M count=1", options={"memory": "64m"}, timeout=60000)
    assert outcome.json["oomKilled"] is True and outcome.json["success"] is False
    assert outcome.json["exitCode"] == 137 and outcome.json["timedOut"] is False


# The default is the same in every tier; the test before shows that each tier enforces a limit.
@pytest.mark.any_tier
def test_the_default_memory_limit_is_512m(runner):
    assert runner.run("exec dd if=/dev/zero of=/dev/null bs=700M count=1", timeout=60000).json["oomKilled"] is True
    assert runner.ok("exec dd if=/dev/zero of=/dev/null bs=350M count=1").json["oomKilled"] is False


def test_cpu_limit(runner):
    script = "for i in 1 2 3 4; do timeout 2 sh -c 'while :; do :; done' & done; wait; exit 0"
    result = runner.ok(script, options={"cpus": 0.5}).json
    # Without the limit it would be twice the wall time, because there are at least two processors.
    assert 100 < result["usage"]["cpuMs"] < 0.85 * result["timings"]["runMs"], result


def test_without_network_there_is_only_lo(view):
    assert view("interfaces") == ["lo"]
    assert view("web") not in ([], ["0"])


def test_the_hosts_loopback_is_not_reachable(view):
    assert view("loopback") not in ([], ["0"])


def test_kernel_settings_are_read_only(view):
    assert view("settings") == []


def test_revealing_kernel_files_are_masked(view):
    assert [line.strip() for line in view("revealing")] == ["0"] * len(REVEALING)


def test_sys_is_read_only_or_absent(view):
    assert view("sys") == []


def test_host_files_are_not_there(view):
    assert SECRET not in "\n".join(view("files"))


def test_host_processes_are_not_seen(view):
    lines = view("processes")
    # The shells of VIEWS are among the processes.
    assert lines and all(int(pid) < 1000 for pid in lines), lines
    assert str(os.getpid()) not in lines or os.getpid() < 1000


def test_block_devices_are_not_there(view):
    assert view("blocks")[0].strip() == "0"


def test_only_the_usual_devices_are_there(view):
    usual = {"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"}
    seen = {os.path.basename(line) for line in view("devices")}
    assert {"null", "zero", "random", "urandom"} <= seen <= usual


def test_the_hostname_is_not_the_hosts(view):
    assert view("hostname")[0] not in ("", socket.gethostname())


def test_the_mount_table_tells_nothing_of_the_host(view, store):
    text = "\n".join(view("mounts"))
    assert text and store not in text and "/var/lib/light-runner" not in text


def test_cgroups_cannot_be_written(view):
    assert view("cgroups") == []


REFUSED = ["mount", "umount", "unshare_user", "unshare_mount", "unshare_net", "clone_user", "setns", "keyctl",
           "add_key", "request_key", "bpf", "perf_event_open", "kexec_load", "init_module", "reboot", "swapon",
           "mknod_block", "mknod_char", "chroot", "pivot_root", "sethostname", "settimeofday", "iopl", "ptrace_init",
           "open_by_handle_at", "userfaultfd", "process_vm_readv_init", "raw_socket", "packet_socket", "quotactl",
           "acct", "syslog", "setcap_xattr", "fsopen", "move_mount", "nice_up", "rlimit_up", "pidfd_getfd", "io_setup", "io_submit",
           "io_getevents", "io_pgetevents", "io_cancel", "io_destroy", "huge_mmap", "huge_memfd", "huge_shmget"]


NO_EFFECT_IN_GVISOR = {
    "syslog": "it is gVisor's own log, and the check that everybody makes by hand",
    "nice_up": "gVisor takes any niceness, and does nothing with it",
    "setcap_xattr": "gVisor stores a program's capabilities, and the bounding set leaves nothing of them (test_gvisor.py)",
}


ORDINARY = ["getpid", "fork", "socket_unix", "socket_inet", "socket_inet6", "socket_netlink", "socketpair", "memfd", "shmget", "fsync", "mmap_exec", "chown", "setuid", "kill_self_0"]


@pytest.fixture(scope="session")
def probed():
    """{cell: {call: what the probe says about it}}, from one run per cell."""
    return {}


def verdict_of(probed, runner, probe_dir, call):
    if runner.cell not in probed:
        lines = runner.ok(f"for call in fds terminal {' '.join(REFUSED + ORDINARY)}; do ./probe $call; done", dir=probe_dir).lines
        probed[runner.cell] = dict(line.split(maxsplit=1) for line in lines if len(line.split()) > 1)
    return probed[runner.cell].get(call, "").partition(" ")[0]


@pytest.mark.parametrize("call", REFUSED)
def test_system_call_is_refused(runner, probe_dir, probed, call):
    if runner.tier == "runsc" and call in NO_EFFECT_IN_GVISOR:
        pytest.skip(NO_EFFECT_IN_GVISOR[call])
    assert verdict_of(probed, runner, probe_dir, call) == "refused", probed


@pytest.mark.parametrize("call", ORDINARY)
def test_ordinary_system_call_works(runner, probe_dir, probed, call):
    """The control: the filter does not reject everything."""
    assert verdict_of(probed, runner, probe_dir, call) == "allowed", probed


def test_only_the_three_standard_fds_are_open(runner, probe_dir, probed):
    verdict_of(probed, runner, probe_dir, "fds")
    assert probed[runner.cell]["fds"] == "0 1 2"


def test_options_cannot_weaken_the_list(runner):
    for field in ("privileged", "capAdd", "securityOpt", "pidsLimit", "devices"):
        outcome = runner.run("echo started", options={field: True})
        assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT"
        assert field in outcome.error["message"]


def test_setuid_programs_gain_nothing(view):
    assert " ".join(view("setuid")).split() == ["s", "65534", "NoNewPrivs:", "1"]


def test_a_user_gets_a_terminal_of_its_own(runner, probe_dir, probed):
    """test_standard_streams.py uses one with Python and bash, in the tiers without a VM."""
    verdict_of(probed, runner, probe_dir, "terminal")
    name, owner = probed[runner.cell]["terminal"].split()
    assert name.startswith("/dev/pts/") and owner == "1000"


def test_the_agents_program_is_out_of_reach(runner):
    """The first process in a sandbox exposes its program as /proc/1/exe, through a mount that nobody can write to."""
    if runner.engine != "local" or runner.tier != "runc":
        pytest.skip("of our own launcher")
    process = runner.start("echo up; sleep 20")
    try:
        assert process.stderr.readline() == b"up\n"
        flags = [os.statvfs(f"/proc/{pid}/exe").f_flag for pid, argv in host.descendants(process.pid).items() if argv.startswith("/.light-runner-")]
        assert flags and all(flag & os.ST_RDONLY for flag in flags), flags
    finally:
        process.terminate()
        process.communicate(timeout=20)
