# SPDX-License-Identifier: MIT
"""A program sees its limits: memory, processors, processes, disk space. Language runtimes choose their sizes by them."""
import json
import os

import pytest

from harness import dockerd

SCRIPT = r'''
import json, multiprocessing, os
from multiprocessing import shared_memory

TOP = "/sys/fs/cgroup"

def text(*paths):
    for path in paths:
        try:
            return open(f"{TOP}/{path}").read().strip()
        except OSError:
            pass

def add(lock, memory):
    with lock:
        memory.buf[0] += 7

def square(n):
    return n * n

if __name__ == "__main__":
    quota = text("cpu.max") or " ".join(text(f"cpu/cpu.cfs_{which}_us") or "-" for which in ("quota", "period"))
    seen = {"memory": text("memory.max", "memory/memory.limit_in_bytes"), "now": text("memory.current", "memory/memory.usage_in_bytes"),
            "cpu": quota, "pids": text("pids.max", "pids/pids.max"), "cpus": os.cpu_count(), "set": text("cpuset/cpuset.cpus"),
            "groups": sorted({line.strip().split(":", 2)[2] for line in open("/proc/self/cgroup")})}
    # Programs find the files by these, and compare their roots with the groups.
    seen["mounts"] = [line.split()[3:5] + [line.split()[5].split(",")[0]] for line in open("/proc/self/mountinfo") if " - cgroup" in line]
    seen["total"] = next(int(line.split()[1]) * 1024 for line in open("/proc/meminfo") if line.startswith("MemTotal:"))
    written = []
    for folder in (TOP, TOP + "/memory", TOP + "/pids", TOP + "/cpuset"):
        for name in ("memory.max", "cpuset.cpus", "pids.max", "memory.limit_in_bytes", "cgroup.procs", "tasks", "cgroup.event_control", "new"):
            try:
                open(f"{folder}/{name}", "w").write("0")
                written.append(name)
            except OSError:
                pass
        try:
            os.mkdir(f"{folder}/new")
            written.append(folder)
        except OSError:
            pass
    seen["written"] = written
    seen["room"] = {}
    for path in ("/", ".", "/tmp", "/dev/shm"):
        st = os.statvfs(path)
        seen["room"][path] = (st.f_blocks * st.f_frsize, st.f_bavail * st.f_frsize)
    memory, lock = shared_memory.SharedMemory(create=True, size=1 << 20), multiprocessing.Lock()
    child = multiprocessing.Process(target=add, args=(lock, memory))
    child.start()
    child.join()
    with multiprocessing.Pool(3) as pool:
        seen["shared"] = [memory.buf[0], sum(pool.map(square, range(10)))]
    memory.close()
    memory.unlink()
    print(json.dumps(seen))
'''

MIB = 1 << 20


def allowed():
    with open("/sys/fs/cgroup/cpuset/cpuset.cpus", encoding="ascii") as file:
        return file.read().strip()


@pytest.mark.seconds(300)
def test_what_a_program_may_have_can_be_seen(runner, python_image, tmp_path):
    (tmp_path / "limits.py").write_text(SCRIPT)
    cpus = 1 if runner.tier == "kata" else 0.5  # an emulated machine is slow enough
    options = {"memory": "192m", "cpus": cpus}
    if runner.engine == "local":  # a daemon may have no cap on the disk
        options["disk"] = "256m"
    outcome = runner.ok("python3 limits.py", python_image, dir=tmp_path, options=options, deadline=200)
    seen = json.loads(outcome.lines[-1])
    assert seen["shared"] == [7, 285] and seen["written"] == [], outcome
    for path, (total, free) in seen["room"].items():
        assert 0 < free <= total, (path, outcome)
        if runner.engine == "local":
            assert total <= 256 * MIB, (path, outcome)
    if (runner.engine == "docker" and dockerd.current().is_podman()) or "memory" in outcome.json["isolation"].get("unenforced", []):
        assert seen["memory"] is None, outcome
        return
    assert int(seen["memory"]) == 192 * MIB and 0 < int(seen["now"]) <= 192 * MIB, outcome
    assert 100 <= int(seen["pids"]) <= 130, outcome
    assert seen["groups"] == ["/"] and seen["mounts"], outcome
    assert all(root == "/" and at.startswith("/sys/fs/cgroup") and how == "ro" for root, at, how in seen["mounts"]), outcome
    # A JVM looks for its limits in cgroups of v1 only if this controller is there, too.
    if runner.cell == ("local", "runc") and os.access("/sys/fs/cgroup/cpuset", os.W_OK):
        assert "/sys/fs/cgroup/cpuset" in [at for _, at, _ in seen["mounts"]] and seen["set"] == allowed(), outcome
    if runner.tier == "kata":
        assert seen["cpus"] == cpus and seen["total"] <= (192 + 96) * MIB, outcome
    else:
        quota, period = map(int, seen["cpu"].split())
        assert quota == cpus * period, outcome


def test_the_least_memory(runner):
    """The smallest accepted limit is enough for a shell. A smaller limit is rejected by name."""
    outcome = runner.run("echo enough", options={"memory": "6m"}, timeout=60000)
    if outcome.code == 0:
        assert outcome.lines == ["enough"], outcome
    else:
        assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT" and "memory" in outcome.error["message"], outcome
