# SPDX-License-Identifier: MIT
"""Drives an agent through its two pipes, as the supervisor does, without a sandbox around it.

Takes the agent's path from $LIGHT_RUNNER_AGENT.
"""

import os
import select
import shutil
import struct
import subprocess
import tempfile
import time
import unittest

AGENT = os.environ.get('LIGHT_RUNNER_AGENT')
WINDOW = 256 * 1024
DATA_MAX = 128 * 1024

TYPES = {
    'PREPARE': 32, 'START': 33, 'STDIN': 34, 'STDIN_EOF': 35, 'SIGNAL': 36, 'EXTRACT': 37,
    'FILTER': 38, 'CONFINE': 39, 'INSPECT': 40, 'KILL': 41, 'RESIZE': 42, 'HANGUP': 43,
    'LIST': 48, 'STAT': 49, 'READ': 50, 'WRITE': 51, 'REMOVE': 52, 'PUT_TREE': 53, 'ABORT': 54,
    'HELLO': 64, 'SEEDED': 65, 'RUNNING': 66, 'FAILED': 67, 'STDOUT': 68, 'STDERR': 69,
    'STDIN_CREDIT': 70, 'EXIT': 71, 'EXTRACT_BEGIN': 72, 'EXTRACT_END': 73, 'WALLS': 74,
    'ITEM': 75, 'DONE': 76,
    'ENTRY': 96, 'DATA': 97, 'ENTRY_END': 98, 'ENTRIES_END': 99,
}
NAMES = {number: name for name, number in TYPES.items()}
RAW = {'STDOUT', 'STDERR', 'DATA'}
# Frames about a command; a FAILED may be about one.
OF_OPERATION = {'LIST', 'STAT', 'READ', 'WRITE', 'REMOVE', 'PUT_TREE', 'ABORT', 'ITEM', 'DONE'}
# Of an operation if they have a number.
OF_EITHER = {'FAILED', 'EXTRACT', 'EXTRACT_BEGIN', 'EXTRACT_END', 'ENTRY', 'DATA', 'ENTRY_END', 'ENTRIES_END'}
OF_COMMAND = {'START', 'STDIN', 'STDIN_EOF', 'SIGNAL', 'KILL', 'RESIZE', 'HANGUP', 'RUNNING', 'STDOUT', 'STDERR', 'STDIN_CREDIT', 'EXIT'}


def encode(fields):
    return b''.join(os.fsencode(key) + b'=' + os.fsencode(str(value)) + b'\0'
                    for key, value in fields)


def decode(payload):
    return dict((os.fsdecode(key), os.fsdecode(value)) for key, _, value in
                (field.partition(b'=') for field in payload.split(b'\0')[:-1]))


class Agent:
    """A running agent. Every wait ends after `patience` seconds."""

    def __init__(self, prefix=(), root=None, preexec=None, patience=60, arguments=()):
        self.patience = patience
        self.unread = b''

        def enter():
            if root:
                os.chroot(root)
                os.chdir('/')
            if preexec:
                preexec()

        # An own session: what these tests kill, and what the agent kills, is not the test run.
        self.process = subprocess.Popen([*prefix, '/agent' if root else AGENT, *arguments],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                                        preexec_fn=enter, start_new_session=True)
        self.hello = self.expect('HELLO')

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def send_bytes(self, data):
        self.process.stdin.write(data)

    def send(self, name, fields=(), raw=b'', number=None):
        payload = encode(fields) + raw
        number = 1 if number is None and name in OF_COMMAND else number or 0
        self.send_bytes(struct.pack('<BBHI', TYPES[name], 0, number, len(payload)) + payload)

    def wait_readable(self, seconds):
        return bool(select.select([self.process.stdout], [], [], seconds)[0])

    def read(self, length):
        deadline = time.monotonic() + self.patience
        while len(self.unread) < length:
            if not self.wait_readable(max(0, deadline - time.monotonic())):
                raise AssertionError('the agent says nothing more')
            more = os.read(self.process.stdout.fileno(), 1 << 20)
            if not more:
                raise EOFError
            self.unread += more
        taken, self.unread = self.unread[:length], self.unread[length:]
        return taken

    def receive(self):
        kind, flags, number, length = struct.unpack('<BBHI', self.read(8))
        assert flags == 0 and length <= 1 << 20
        assert NAMES[kind] in OF_EITHER or bool(number) == (NAMES[kind] in OF_COMMAND | OF_OPERATION)
        self.number = number
        name, payload = NAMES[kind], self.read(length)
        return name, payload if name in RAW else decode(payload)

    def expect(self, wanted):
        name, value = self.receive()
        assert name == wanted, f'{name} {value!r} instead of {wanted}'
        return value

    def is_over(self):
        """Whether nothing more comes and the agent has ended; its exit status, too."""
        try:
            self.read(1)
        except EOFError:
            return self.process.wait(self.patience)
        raise AssertionError('the agent goes on')

    def prepare(self, workdir, user=''):
        self.send('PREPARE', [('workdir', workdir), ('user', user)])

    def start(self, *words, env=('PATH=/usr/bin:/bin',), number=1, among=None):
        self.send('START', [('arg', word) for word in words] + [('env', e) for e in env] +
                  ([('among', among)] if among else []), number=number)

    def collect(self):
        """Everything up to EXIT: (exit fields, stdout, stderr, credit given)."""
        out, err, credit = [], [], 0
        while True:
            name, value = self.receive()
            if name == 'STDOUT':
                assert 0 < len(value) <= DATA_MAX
                out.append(value)
            elif name == 'STDERR':
                err.append(value)
            elif name == 'STDIN_CREDIT':
                credit += int(value['bytes'])
            elif name == 'EXIT':
                return value, b''.join(out), b''.join(err), credit
            else:
                raise AssertionError(f'{name} while the command runs')

    def run(self, *words, **options):
        self.start(*words, **options)
        self.expect('RUNNING')
        return self.collect()

    def extract(self, path, limit=1 << 30):
        """(BEGIN, {path: bytes or None for a folder}, {path: mode}, the order of paths, END)."""
        self.send('EXTRACT', [('path', path), ('max', limit)])
        begin = self.expect('EXTRACT_BEGIN')
        entries, modes, order, current = {}, {}, [], None
        if begin['status'] != 'ok':
            return begin, entries, modes, order, None
        while True:
            name, value = self.receive()
            if name == 'ENTRY':
                assert current is None
                current = value['path'] if value['kind'] == 'file' else None
                assert value['path'] not in entries
                entries[value['path']] = b'' if current else None
                modes[value['path']] = int(value['mode'], 8)
                order.append(value['path'])
            elif name == 'DATA':
                assert 0 < len(value) <= DATA_MAX
                entries[current] += value
            elif name == 'ENTRY_END':
                assert current is not None
                current = None
            elif name == 'EXTRACT_END':
                return begin, entries, modes, order, value
            else:
                raise AssertionError(f'{name} in an extraction')


def is_alive(pid):
    try:
        with open(f'/proc/{pid}/stat') as f:
            return f.read().rpartition(')')[2].split()[0] not in 'ZX'
    except OSError:
        return False


def eventually(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class AgentTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='light-runner-agent-')
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.workdir = os.path.join(self.folder, 'app')

    def path(self, *names):
        return os.path.join(self.workdir, *names)

    def agent(self, **options):
        a = Agent(**options)
        self.addCleanup(a.close)
        return a

    def prepared(self, **options):
        a = self.agent(**options)
        a.prepare(self.workdir)
        return a

    def exited(self, script='true', **options):
        a = self.prepared(**options)
        self.assertEqual(a.run('sh', '-c', script)[0]['code'], '0')
        return a

    def pid1(self):
        """An agent that is PID 1 of a namespace of its own."""
        if os.geteuid() != 0 or not shutil.which('unshare'):
            self.skipTest('needs root and unshare(1)')
        return self.prepared(
            prefix=('unshare', '--pid', '--fork', '--kill-child', '--mount-proc'))

    def assert_failed(self, a, operation, *texts, status=1):
        failed = a.expect('FAILED')
        self.assertEqual(failed['operation'], operation, failed)
        for text in texts:
            self.assertIn(text, failed['message'])
        self.assertEqual(a.is_over(), status)
        return failed


def main():
    if not AGENT:
        raise SystemExit('LIGHT_RUNNER_AGENT is not set')
    unittest.main()
