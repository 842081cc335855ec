# SPDX-License-Identifier: MIT
"""Measures how long a VM of the tier kata takes until its agent is ready, by phase, and compares it with QEMU alone.

QEMU alone means the same kernel, initramfs, machine and disks, started directly by this script.
"""
import glob
import json
import os
import select
import socket
import statistics
import subprocess
import tempfile
import time

PARTS = ("QEMU", "kernel and first program", "agent")


def qemu_alone(kernel, initramfs, image, disk, accelerator, loud=False):
    """Seconds from the start to the kernel's first output (only if loud), to `up` from the first program, and to the agent's first
    frame."""
    agent, agent_end = socket.socketpair()
    control, control_end = socket.socketpair()
    words, words_end = os.pipe()
    # The usual arguments of QEMU and the kernel are in src/tier/vm/qemu.c.
    tell = "loglevel=8 earlyprintk=ttyS0" if loud else "loglevel=1"
    locked = "" if "unsigned" in initramfs else "lockdown=confidentiality "
    clock = "" if accelerator == "kvm" else f" tsc_early_khz={khz()}"
    argv = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-monitor", "none",
            "-machine", "microvm,acpi=on,rtc=on,isa-serial=on", "-accel", "kvm" if accelerator == "kvm" else "tcg,thread=multi,tb-size=32",
            "-cpu", "host" if accelerator == "kvm" else "max", "-m", "608M", "-smp", "1", "-chardev", "stdio,id=console,signal=off",
            "-serial", "chardev:console", "-kernel", kernel, "-initrd", initramfs, "-append",
            f"console=ttyS0 {tell} panic=-1 reboot=t edd=off cryptomgr.notests {locked}lr.hostname=bare lr.memory=536870912 lr.pids=101{clock}",
            "-blockdev", f"driver=file,node-name=image,filename={image},read-only=on", "-device", "virtio-blk-device,drive=image",
            "-blockdev", f"driver=file,node-name=disk,filename={disk}", "-device", "virtio-blk-device,drive=disk",
            "-device", "virtio-serial-device,max_ports=3", "-chardev", f"socket,id=agent,fd={agent_end.fileno()}",
            "-device", "virtserialport,chardev=agent,name=agent", "-chardev", f"socket,id=control,fd={control_end.fileno()}",
            "-device", "virtserialport,chardev=control,name=control", "-device", "virtio-balloon-device,free-page-reporting=on"]
    begun = time.perf_counter()
    process = subprocess.Popen(argv, pass_fds=[agent_end.fileno(), control_end.fileno()], stdin=subprocess.DEVNULL, stdout=words_end)
    os.close(words_end)
    found = {}
    try:
        for name, end in (("word", words), ("up", control), ("agent", agent)):
            if name == "word" and not loud:
                continue
            if not select.select([end], [], [], 60)[0]:
                raise RuntimeError("QEMU alone does not bring up the guest")
            found[name] = time.perf_counter() - begun
    finally:
        process.kill()
        process.wait()
        for end in (agent, agent_end, control, control_end):
            end.close()
        os.close(words)
    return found


def khz():
    """The frequency of the processor's counter, as the kernel reports it."""
    with open("/proc/cpuinfo") as file:
        mhz = next(line for line in file if line.startswith("cpu MHz"))
    return int(float(mhz.split(":")[1]) * 1000)


def idle_memory(executable):
    """MiB of QEMU while a command sleeps in a guest with 128 MiB: its private memory, and the memory of files that all VMs
    share."""
    request = json.dumps({"image": "busybox", "entrypoint": "echo up; sleep 60", "networks": ["none"],
                          "options": {"engine": "local", "runtime": "kata", "memory": "128m"}})
    run = subprocess.Popen([executable, "run", "--request", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    run.stdin.write(request.encode())
    run.stdin.close()
    run.stdout.readline()
    # The guest gives free memory back within two seconds.
    time.sleep(6)
    try:
        with open(f"/proc/{run.pid}/task/{run.pid}/children") as file:
            supervisor = file.read().split()[0]
        with open(f"/proc/{supervisor}/task/{supervisor}/children") as file:
            qemu = file.read().split()[-1]
        with open(f"/proc/{qemu}/smaps_rollup") as file:
            kib = {line.split(":")[0]: int(line.split()[1]) for line in file if line.endswith(" kB\n")}
        return {"own": (kib["Private_Dirty"] + kib["Shared_Dirty"]) / 1024, "files": (kib["Private_Clean"] + kib["Shared_Clean"]) / 1024}
    finally:
        run.terminate()
        run.wait(timeout=60)


def measure(executable, data_dir, rounds):
    def run():
        done = subprocess.run([executable, "run", "--engine", "local", "--runtime", "kata", "--network", "none", "--json", "busybox", "--",
                               "true"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=120)
        return json.loads(done.stdout)

    accelerator = run()["isolation"]["accelerator"]
    kernel, initramfs = (glob.glob(f"{data_dir}/scratch/guest-*.{kind}")[0] for kind in ("kernel", "initramfs"))
    image = glob.glob(f"{data_dir}/images/*.erofs")[0]
    ready, alone, loud = [], [], []
    with tempfile.NamedTemporaryFile() as disk:
        disk.truncate(1 << 30)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", disk.name], check=True)
        for _ in range(rounds):
            timings = run()["timings"]
            ready.append((timings["prepareMs"] + timings["startMs"]) / 1000)
            subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", disk.name], check=True)
            alone.append(qemu_alone(kernel, initramfs, image, disk.name, accelerator))
            subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", disk.name], check=True)
            loud.append(qemu_alone(kernel, initramfs, image, disk.name, accelerator, loud=True)["word"])
    word = statistics.median(loud)
    up, agent = (statistics.median(row[name] for row in alone) for name in ("up", "agent"))
    return {"accelerator": accelerator, "light-runner, ms": statistics.median(ready) * 1000, "QEMU alone, ms": agent * 1000,
            "parts, ms": dict(zip(PARTS, (word * 1000, (up - word) * 1000, (agent - up) * 1000))),
            "idle guest of 128 MiB, MiB": idle_memory(executable)}


def text(figures):
    parts = ", ".join(f"{name} {ms:.0f}" for name, ms in figures["parts, ms"].items())
    return (f"a VM until its agent is ready ({figures['accelerator']}): {figures['light-runner, ms']:.0f} ms, QEMU alone "
            f"{figures['QEMU alone, ms']:.0f} ms ({figures['light-runner, ms'] / figures['QEMU alone, ms']:.2f} x): {parts} ms; "
            f"memory of QEMU with an idle guest of 128 MiB: {figures['idle guest of 128 MiB, MiB']['own']:.0f} MiB, and "
            f"{figures['idle guest of 128 MiB, MiB']['files']:.0f} of files")
