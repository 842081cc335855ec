# SPDX-License-Identifier: MIT
"""Commands with a terminal: `run -it` and `session run -it`, from a terminal of our own."""
import errno
import fcntl
import hashlib
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from harness import host
from harness.sessions import opened, session, states  # noqa: F401

pytestmark = pytest.mark.any_tier


class Terminal:
    """A person at a terminal of 24 rows and 80 columns, who has started light-runner there."""

    def __init__(self, argv, rows=24, columns=80, **environment):
        self.master, slave = os.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.seen = b""

        def be_controlled():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, preexec_fn=be_controlled,
                                        env={**os.environ, "TERM": "vt220", **environment})
        self.slave = slave

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys):
        os.write(self.master, keys)

    def read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            try:
                self.seen += os.read(self.master, 65536)
            except OSError as error:
                assert error.errno == errno.EIO

    def sees(self, pattern, seconds=30):
        """Waits until the pattern is on the screen, and forgets what came before its end. Returns the match."""
        deadline = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.seen)
            if match:
                self.seen = self.seen[match.end():]
                return match
            assert time.monotonic() < deadline, (pattern, self.seen[-500:])
            self.read(0.5)

    def prompts(self, before=b""):
        """busybox's shell asks the terminal where the cursor is, and loses what is typed with the answer."""
        self.sees(before + rb"\$ \x1b\[6n")
        self.type(b"\x1b[1;3R")
        time.sleep(0.3)

    def ends(self, seconds=30):
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read(0.1)
        assert self.process.poll() is not None, self.seen[-500:]
        return self.process.returncode

    def is_as_before(self):
        return termios.tcgetattr(self.slave) == self.before

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal():
    """Starts light-runner at a terminal."""
    made = []

    def start(*argv, **how):
        made.append(Terminal(argv, **how))
        return made[-1]
    yield start
    for each in made:
        each.close()


@pytest.fixture(params=["run", "session"])
def shell(request, runner, terminal):
    """Starts a command with -it, in a run or in a session."""
    def start(script, *flags, **how):
        if request.param == "run":
            words = ["run", "-it", *runner.cell_flags(), "--network", "none", *flags, "busybox"]
        else:
            words = ["session", "run", "-it", *flags, request.getfixturevalue("session").id]
        return terminal(runner.executable, *words, "--", script, **how)
    return start


@pytest.mark.every_cell
def test_a_shell_to_type_at(shell):
    at = shell("PS1='$ ' exec sh", rows=30, columns=100)
    at.prompts()
    assert not at.is_as_before(), "single keys go in"
    at.type(b"tty; stty size; echo $TERM; test -t 0 -a -t 1 -a -t 2 && echo all; echo err >&2\r")
    at.prompts(rb"/dev/pts/\d+\r\n30 100\r\nvt220\r\nall\r\nerr\r\n")
    at.resize(40, 120)
    at.type(b"sleep 0.5; stty size\r")
    at.prompts(rb"\n40 120\r\n")
    at.type(b"sleep 100\r")
    at.sees(rb"sleep 100\r\n")
    time.sleep(0.5)  # until it is in the foreground
    at.type(b"\x03")
    at.prompts()
    at.type(b"exit 7\r")
    assert at.ends() == 7 and at.is_as_before()


@pytest.mark.any_cell
def test_the_end_of_the_input_is_a_key(shell):
    at = shell("echo up; cat; echo ended")
    at.sees(rb"up\r\n")
    at.type(b"a line\r\x04")
    at.sees(rb"a line\r\na line\r\nended\r\n")
    assert at.ends() == 0


@pytest.mark.any_cell
def test_a_program_learns_of_a_new_size(shell):
    at = shell("trap 'stty size' WINCH; echo up; while :; do sleep 0.1; done")
    at.sees(rb"up\r\n")
    at.resize(11, 22)
    at.sees(rb"11 22\r\n")
    at.type(b"\x03")
    assert at.ends() == 130


@pytest.mark.any_cell
def test_jobs(shell):
    at = shell("PS1='$ ' exec sh")
    at.prompts()
    at.type(b"cat\r")
    at.sees(rb"cat\r\n")
    time.sleep(0.5)  # until it is in the foreground
    at.type(b"\x1a")
    at.prompts(rb"Stopped[^\n]*\n")
    at.type(b"fg; echo back\r")
    at.sees(rb"cat\r\n")
    time.sleep(0.5)
    at.type(b"x\r\x04")
    at.prompts(rb"x\r\nx\r\nback\r\n")
    at.type(b"exit\r")
    assert at.ends() == 0


@pytest.mark.any_cell
def test_a_long_paste(shell):
    """1 MiB, in lines: a terminal takes 4096 bytes of each. None is lost."""
    at = shell("stty -echo; echo ready; head -c 1048576 | md5sum; stty echo")
    at.sees(rb"ready\r\n")
    line = b"x" * 1023 + b"\n"
    left = line * 1024
    os.set_blocking(at.master, False)
    deadline = time.monotonic() + 40
    while left and time.monotonic() < deadline:
        select.select([at.master], [at.master], [], 1)
        at.read(0)
        try:
            left = left[os.write(at.master, left[:4096]):]
        except BlockingIOError:
            pass
    os.set_blocking(at.master, True)
    at.sees(hashlib.md5(line * 1024).hexdigest().encode())
    assert at.ends() == 0


@pytest.mark.any_cell
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_restores_the_terminal(shell, number):
    at = shell("echo up; sleep 100")
    at.sees(rb"up\r\n")
    at.process.send_signal(number)
    assert at.ends() == 137 and at.is_as_before()


@pytest.mark.any_cell
def test_the_death_of_the_supervisor_restores_the_terminal(runner, terminal):
    at = terminal(runner.executable, "run", "-it", *runner.cell_flags(), "--network", "none", "busybox", "--", "echo up; sleep 100")
    at.sees(rb"up\r\n")
    found = [pid for pid, argv in host.descendants(at.process.pid).items() if "light-runner-supervisor" in argv]
    os.kill(found[0], signal.SIGKILL)
    assert at.ends() == 125 and at.is_as_before()
    assert runner.cli("reap", env=dict(os.environ, LIGHT_RUNNER_REAP_AGE_MS="0")).code == 0


@pytest.mark.any_cell
def test_the_users_own_term_wins(shell):
    at = shell("echo =$TERM=", "--env", "TERM=dumb")
    at.sees(rb"=dumb=\r\n")
    assert at.ends() == 0


@pytest.mark.any_cell
def test_a_failure_leaves_the_terminal_alone(shell, runner, terminal):
    at = shell("no-such-program")
    at.sees(rb"not found")
    assert at.ends() == 127 and at.is_as_before()
    at = terminal(runner.executable, "run", "-it", *runner.cell_flags(), "no-such-image")
    assert at.ends() == 125 and at.is_as_before()


# ---------------------------------------------------------------- without a terminal of ours


@pytest.mark.every_cell
def test_a_terminal_without_input(runner):
    """-t alone: all output is one stream, and the size is not known."""
    done = runner.cli("run", "-t", *runner.cell_flags(), "--network", "none", "busybox", "--", "test -t 1 && echo tty; echo err >&2; cat; echo end",
                      env={name: value for name, value in os.environ.items() if name != "TERM"})
    assert (done.code, done.stdout, done.stderr) == (0, b"tty\r\nerr\r\nend\r\n", b""), done


@pytest.mark.any_cell
def test_what_is_no_terminal_is_refused(runner):
    done = runner.cli("run", "-it", *runner.cell_flags(), "busybox", "--", "true", stdin=b"")
    assert done.code == 125 and b"not a terminal" in done.stderr and b"leave out -t" in done.stderr
    done = runner.cli("run", "-t", "--detach", *runner.cell_flags(), "busybox", "--", "true")
    assert done.code == 125 and b"tty" in done.stderr
    for bad in (1, "yes", [], {"rows": -1}, {"rows": 65536}, {"columns": "x"}, {"width": 1}):
        outcome = runner.submit(runner.request("true", tty=bad))
        assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT" and "tty" in outcome.error["message"], bad


@pytest.mark.every_cell
def test_stdin_stays_open_as_a_stream(runner):
    """A program that answers line by line, as a language server does. Nothing waits for the end of the input."""
    process = subprocess.Popen([runner.executable, "run", "-i", *runner.cell_flags(), "--network", "none", "busybox", "--",
                                "while read line; do echo \"<$line>\"; done; echo end"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for word in (b"one", b"two", b"three"):
        process.stdin.write(word + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"<" + word + b">\n"
    process.stdin.close()
    assert process.stdout.read() == b"end\n" and process.wait(30) == 0


@pytest.mark.any_cell
def test_a_program_that_does_not_read_holds_nobody_up(session):
    deaf = subprocess.Popen([session.runner.executable, "session", "run", "-i", session.id, "--", "sleep 100"],
                            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    os.set_blocking(deaf.stdin.fileno(), False)
    written = 0
    for _ in range(20):
        try:
            written += os.write(deaf.stdin.fileno(), bytes(1 << 20))
        except BlockingIOError:
            time.sleep(0.05)
    assert 0 < written < 4 << 20, "what nobody reads stays with the caller"
    assert session.text("echo fine") == "fine\n"
    deaf.terminate()
    assert deaf.wait(30) == 137
