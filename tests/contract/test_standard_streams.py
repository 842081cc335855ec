# SPDX-License-Identifier: MIT
"""The command can open its stdin, stdout and stderr by their names, as the user that it runs as or changes to."""

import pytest

pytestmark = pytest.mark.vm

SCRIPT = """
ln -s /dev/stdout /tmp/out; ln -s /dev/stdin /tmp/in
cat /tmp/in > /tmp/out
cat > /tmp/other <<'EOF'
#!/bin/sh
echo out > /dev/stdout; echo err > /dev/stderr; echo fd > /proc/self/fd/1; echo link > /tmp/out; echo tee | tee /dev/fd/2
exec 3>&1; echo three > /dev/fd/3; exec 4<>/dev/stdout; echo four >&4; id -u
sh -c 'echo piped > /dev/stdout' | cat
EOF
chmod 755 /tmp/other
exec su -s /bin/sh nobody -c /tmp/other
"""
TERMINAL = """
import os, pty, subprocess
feed = 'n=0; while read -r l; do n=$((n+1)); done < <(printf "a\\\\nb\\\\n"); cmp <(echo x) <(echo x) && echo $n'
print(subprocess.run(["bash", "-c", feed], stdout=subprocess.PIPE).stdout.decode().strip(), flush=True)
os.setgroups([])
os.setresgid(1000, 1000, 1000)
os.setresuid(1000, 1000, 1000)
pid, master = pty.fork()
if pid == 0:
    os.execvp("sh", ["sh", "-c", "test -t 0 && echo $(tty) $(stat -Lc %u $(tty)) && echo again > /dev/tty"])
said = b""
try:
    while part := os.read(master, 1000):
        said += part
except OSError:
    pass
print(*said.decode().split(), flush=True)
open("/dev/stdout", "w").write("end\\n")
"""


def test_by_their_names(runner):
    """As root, and as the user that root changes to. nginx, cron and php-fpm log like this."""
    outcome = runner.plain(SCRIPT, "--input", "-", stdin=b"asked\n")
    assert outcome.code == 0, outcome
    assert outcome.stdout.decode().split() == ["asked", "out", "fd", "link", "tee", "three", "four", "65534", "piped"], outcome
    assert outcome.stderr.decode().split() == ["err", "tee"], outcome


# In an emulated VM, Python takes most of a minute to start. There, test_defaults.py opens a terminal without it.
@pytest.mark.cells("*-runc", "*-runsc")
def test_a_terminal_of_a_users_own(runner, python_image, tmp_path):
    """openpty() works for a user, who owns the terminal. Before that, bash's process substitution works, through /dev/fd."""
    (tmp_path / "t.py").write_text(TERMINAL)
    lines = runner.ok("python3 t.py", python_image, dir=tmp_path).lines
    assert lines[0] == "2" and lines[2:] == ["end"], lines
    terminal, *said = lines[1].split()
    assert terminal.startswith("/dev/pts/") and said == ["1000", "again"], lines
