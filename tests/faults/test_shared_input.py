# SPDX-License-Identifier: MIT
"""Another process reads the same stdin, and takes the bytes just before the supervisor reads them.

The supervisor stops itself between its poll() and its read(), so nothing here depends on which process is faster.
"""
import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import socket
import subprocess

import pytest

from harness import host


def make_pipe(_folder):
    return os.pipe()


def make_fifo(folder):
    path = folder / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(path, os.O_WRONLY)
    os.set_blocking(reader, True)
    return reader, writer


def make_socket(_folder):
    return tuple(end.detach() for end in socket.socketpair())


def make_terminal(_folder):
    writer, reader = pty.openpty()
    return reader, writer


KINDS = {"pipe": make_pipe, "fifo": make_fifo, "socket": make_socket, "terminal": make_terminal}


@contextlib.contextmanager
def run_without_its_bytes(runner, folder, kind, timeout):
    """Starts a run and takes its input away after poll() has reported it. Yields the process and the shared stdin."""
    reader, writer = KINDS[kind](folder)
    marker = f"{os.getpid()}-{runner.engine}-{runner.tier}-{kind}-{timeout}"
    environment = dict(os.environ, LIGHT_RUNNER_TEST_HOLD="input", FAULT_MARKER=marker)
    request = runner.write_request(runner.request("echo up; exec sleep 1000", timeout=timeout))
    process = subprocess.Popen([runner.executable, "run", "--json", "--input", "-", "--request", request],
                               env=environment, stdin=reader, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        os.write(writer, b"bytes\n")
        supervisor = host.wait_until(lambda: host.held_supervisor(marker), 60)
        assert supervisor, "the supervisor did not come to read its input"
        assert b"bytes" in os.read(reader, 4096)
        # The control: a read() would block now, because the pipe is empty and O_NONBLOCK is not set.
        assert select.select([reader], [], [], 0)[0] == []
        assert not fcntl.fcntl(reader, fcntl.F_GETFL) & os.O_NONBLOCK
        os.kill(supervisor, signal.SIGCONT)
        yield process, reader
    finally:
        # Closing the writer releases a supervisor that blocks in read() after all. It also holds our pipe for stderr.
        os.close(writer)
        process.kill()
        process.communicate()
        os.close(reader)


def outcome_of(process):
    """Waits far longer than the run needs. A run that blocks in read() would never end."""
    try:
        stdout, stderr = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        pytest.fail("the supervisor waits for bytes that another reader has taken")
    document = json.loads(stdout)
    assert "error" not in document, (stdout, stderr)
    return document


@pytest.mark.parametrize("kind", KINDS)
def test_the_deadline_holds(runner, tmp_path, kind):
    with run_without_its_bytes(runner, tmp_path, kind, 1000) as (process, reader):
        result = outcome_of(process)
        assert result["timedOut"] is True and result["exitCode"] == 137, result
        assert not fcntl.fcntl(reader, fcntl.F_GETFL) & os.O_NONBLOCK, "the callers' own file was changed"


@pytest.mark.parametrize("kind", KINDS)
def test_a_cancel_is_heard(runner, tmp_path, kind):
    with run_without_its_bytes(runner, tmp_path, kind, 600000) as (process, _reader):
        process.send_signal(signal.SIGTERM)
        result = outcome_of(process)
        assert result["cancelled"] is True and result["timedOut"] is False, result
