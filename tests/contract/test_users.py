# SPDX-License-Identifier: MIT
"""The users of an image, by its /etc/passwd and /etc/group, and root that becomes one of them."""
import pytest

from harness.image_maker import Image, busybox_layer, entry, folder, layer, symlink

# What `id` thinks of the files is not asked.
SAYS = 'exec 2>/dev/null; echo "$(id -u):$(id -g) $(id -G) $HOME"'
# `user`, passwd, group, and what SAYS says.
FILES = {
    "no files": ("1000", None, None, "1000:0 0 /"),
    "no new line at the end": ("app", b"app:x:1000:1001::/home/app:/bin/sh", b"extra:x:50:app", "1000:1001 1001 50 /home/app"),
    "fields that are missing": ("app", b"broken\nroot:x\napp:x:1000:1001\n", b"extra:x:50\nmore:x:51:app\n", "1000:1001 1001 51 /"),
    "a group without members": ("app:extra", b"app:x:1000:1001\n", b"extra:x:50\n", "1000:50 50 /"),
    "a home that is none": ("app", b"app:x:1000:1001::home:/bin/sh\n", None, "1000:1001 1001 /"),
    "a long line": ("app", b"app:x:1000:1001:" + b"x" * 50000 + b":/home/app:/bin/sh\n", b"extra:x:50:" + b"other," * 8000 + b"app\n",
                    "1000:1001 1001 50 /home/app"),
    "a name of digits": ("1000", b"1000:x:7:8::/seven:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n", None, "7:8 8 /seven"),
    "comments and other lines": ("app", b"#app:x:1:1::/no:/bin/sh\n+::::::\n\n:::\napp:x:1000:1001::/home/app:/bin/sh\n", None,
                                 "1000:1001 1001 /home/app"),
}


@pytest.mark.parametrize("kind", FILES)
def test_files(runner, kind):
    user, passwd, group, said = FILES[kind]
    files = [entry("etc/" + name, data=data) for name, data in (("passwd", passwd), ("group", group)) if data is not None]
    runner.load(Image(busybox_layer(), layer(folder("etc"), *files), config={"User": user}), "users")
    assert runner.ok(SAYS, "users").lines == [said]
    if kind == "no files":
        assert runner.ok('echo "$HOME"', "users", env={"HOME": "/given"}).lines == ["/given"]


@pytest.mark.parametrize("target", ["/proc/self/environ", "/dev/zero", "/dev/stdin", "/etc/passwd", "huge"])
def test_hostile_files(runner, target):
    """None of these files delays the run, and a numeric user needs no file."""
    if runner.engine != "local":
        pytest.skip("Docker's daemon and its runtime read these files by themselves, and refuse or wait")
    files = [entry("etc/passwd", data=b"x" * (2 << 20))] if target == "huge" else [symlink("etc/passwd", target)]
    runner.load(Image(busybox_layer(), layer(folder("etc"), *files), config={"User": "1000"}), "hostile-users")
    assert runner.ok("grep ^Uid: /proc/self/status", "hostile-users", input="x").lines == ["Uid:" + 4 * "\t1000"]


@pytest.mark.vm
def test_root_becomes_others(runner, python_image):
    """The distribution's own tools: they ask the kernel's audit, PAM, and their files' owners."""
    script = """set -e
    useradd -m -u 4711 -s /bin/sh alice; groupadd -g 4712 more; usermod -aG more alice
    echo 'alice:secret' | chpasswd; passwd -l alice >/dev/null; passwd -S alice | cut -d' ' -f1,2
    su alice -c 'id -un; id -G; echo $HOME; cd; echo own > f; chmod 600 f; cat f'
    su - alice -c pwd
    runuser -u alice -- id -un
    setpriv --reuid=4711 --regid=4712 --clear-groups id -G
    setpriv --reuid=alice --regid=alice --init-groups --inh-caps=-all sh -c 'cat /home/alice/f'
    touch x; chown alice:more x; stat -c %U:%G x; chgrp 4711 x; stat -c %u:%g x
    userdel -r alice 2>/dev/null; test ! -e /home/alice"""
    outcome = runner.run(script, python_image)
    assert outcome.code == 0, outcome
    assert outcome.lines == ["alice L", "alice", "4711 4712", "/home/alice", "own", "/home/alice", "alice", "4712", "own",
                             "alice:more", "4711:4711"], outcome
