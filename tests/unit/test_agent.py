#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The agent and the command: start, streams, end; and the protocol, kept and broken.

What holds only for PID 1 runs under unshare(1).
"""

import os
import platform
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest

from agent_driver import (AGENT, DATA_MAX, TYPES, WINDOW, AgentTest, encode, eventually, is_alive,
                          main)


class Hello(AgentTest):
    def test_shows_the_kernel(self):
        u, hello = os.uname(), self.agent().hello
        self.assertEqual((hello['version'], hello['sysname'], hello['release'], hello['kernel'],
                          hello['machine']), ('2', u.sysname, u.release, u.version, u.machine))
        self.assertNotIn('log', hello)

    def test_shows_the_beginning_of_the_kernels_log_when_told_to(self):
        log = subprocess.run(['dmesg'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        if not log:
            self.skipTest('the log cannot be read on this machine')
        shown = os.fsencode(self.agent(arguments=['log']).hello['log'])
        self.assertTrue(0 < len(shown) <= 256)

    def test_removes_its_own_file_when_told_to(self):
        for words, left in ((['log'], ['agent']), (['unlink'], []), (['log', 'unlink'], [])):
            with tempfile.TemporaryDirectory() as root:
                shutil.copy(AGENT, os.path.join(root, 'agent'))
                self.agent(root=root, arguments=words)
                self.assertEqual(os.listdir(root), left, words)

    def test_does_not_start_with_words_that_it_does_not_know(self):
        for words in (['unlinked'], ['log', '']):
            done = subprocess.run([AGENT, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=20)
            self.assertEqual((done.returncode, done.stdout), (2, b''), words)


class Command(AgentTest):
    def test_reports_code_output_and_usage(self):
        a = self.prepared()
        a.start('sh', '-c', 'echo out; echo err >&2; pwd; exit 7')
        a.expect('RUNNING')
        end, out, err, _ = a.collect()
        self.assertEqual((end['code'], end['signal']), ('7', '0'))
        self.assertEqual((out, err), (b'out\n' + os.fsencode(self.workdir) + b'\n', b'err\n'))
        self.assertGreater(int(end['peak_rss_kb']), 0)
        self.assertGreaterEqual(int(end['user_us']) + int(end['system_us']), 0)

    def test_signal_death_is_128_and_the_signal(self):
        end = self.prepared().run('sh', '-c', 'kill -KILL $$')[0]
        self.assertEqual((end['code'], end['signal']), ('137', '9'))

    def test_cpu_time_is_counted(self):
        script = 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'
        self.assertGreater(int(self.prepared().run('sh', '-c', script)[0]['user_us']), 10000)

    def test_has_the_environment_it_was_given_and_no_other(self):
        a = self.prepared()
        out = a.run('env', env=('A=1', 'B=two words', 'HOME=/h', 'PATH=/usr/bin:/bin'))[1]
        self.assertEqual(sorted(out.split(b'\n')[:-1]),
                         [b'A=1', b'B=two words', b'HOME=/h', b'PATH=/usr/bin:/bin'])

    def test_home_and_path_have_defaults(self):
        out = self.prepared().run('env', env=())[1]
        self.assertIn(b'HOME=/root\n', out)
        self.assertIn(b'PATH=/usr/local/sbin:/usr/local/bin:', out)

    def test_starts_with_a_clean_process(self):
        script = ('import os, signal, sys\n'
                  'print(sorted(int(f) for f in os.listdir("/proc/self/fd"))[:3])\n'
                  'print(len(os.listdir("/proc/self/fd")))\n'
                  'print(signal.pthread_sigmask(signal.SIG_BLOCK, []))\n'
                  'print(os.getsid(0) == os.getpid() == os.getpgrp())\n'
                  'print(oct(os.umask(0)))\n'
                  'print(open("/proc/self/oom_score_adj").read().strip())\n'
                  'print(open("/proc/self/status").read().split("SigIgn:")[1].split()[0])\n')
        a = self.prepared()
        _, out, err, _ = a.run('/usr/bin/python3', '-S', '-E', '-c', script)
        self.assertEqual(err, b'')
        fds, count, mask, leader, umask, oom, ignored = out.decode().splitlines()
        # The listing itself is the fourth.
        self.assertEqual((fds, count, mask, leader, umask, oom),
                         ('[0, 1, 2]', '4', 'set()', 'True', '0o22', '1000'))
        # Python itself ignores SIGPIPE and SIGXFSZ; SIGCHLD it does not.
        self.assertEqual(int(ignored, 16) & ~(1 << 12 | 1 << 24), 0)

    def test_signals_are_back_to_their_defaults(self):
        # The agent ignores SIGPIPE; a command that did, too, would not end here.
        end = self.prepared().run('sh', '-c', 'kill -PIPE $$; exit 3')[0]
        self.assertEqual(end['signal'], str(int(signal.SIGPIPE)))

    def test_cannot_be_executed(self):
        a = self.prepared()
        a.start('no-such-program')
        failed = self.assert_failed(a, 'exec',
                                    "cannot execute 'no-such-program': No such file or directory")
        self.assertEqual(failed['errno'], '2')

    def test_what_cannot_be_executed_can_be_an_end_like_others(self):
        os.makedirs(self.workdir)
        with open(self.path('script'), 'w') as f:
            f.write('#!/no/interpreter\n')
        os.chmod(self.path('script'), 0o755)
        open(self.path('text'), 'w').close()
        for program, code, reason in (('no-such-program', 127, 'not found in PATH'),
                                      (self.path('nothing'), 127, 'No such file or directory'),
                                      (self.path('script'), 127, 'its interpreter or loader does not exist'),
                                      (self.path('text'), 126, 'Permission denied'), ('/', 126, 'Permission denied')):
            a = self.prepared()
            a.send('START', [('arg', program), ('arg', 'x'), ('report', 'exit')])
            a.expect('RUNNING')
            end, out, err, _ = a.collect()
            self.assertEqual((end['code'], end['signal'], out), (str(code), '0', b''))
            self.assertEqual(err.decode(), f"light-runner: cannot execute '{program}': {reason}\n")

    def test_is_searched_for_in_its_own_path(self):
        os.makedirs(self.path('bin'))
        with open(self.path('bin', 'mine'), 'w') as f:
            f.write('#!/bin/sh\necho found\n')
        os.chmod(self.path('bin', 'mine'), 0o755)
        out = self.prepared().run('mine', env=('PATH=/nowhere:' + self.path('bin'),))[1]
        self.assertEqual(out, b'found\n')

    def test_a_file_without_permission_is_said_to_be_so(self):
        os.makedirs(self.path('bin'))
        open(self.path('bin', 'mine'), 'w').close()
        a = self.prepared()
        a.start('mine', env=('PATH=' + self.path('bin') + ':/nowhere',))
        self.assertEqual(self.assert_failed(a, 'exec', 'Permission denied')['errno'], '13')

    def test_signal_reaches_the_whole_group(self):
        a = self.prepared()
        # The parent's trap is set before the child says that it is up.
        a.start('sh', '-c', 'trap "wait; exit 5" TERM; sh -c "trap \'echo child; exit\' TERM; echo up; '
                            'while :; do sleep 0.05; done" & wait')
        a.expect('RUNNING')
        self.assertEqual(a.expect('STDOUT'), b'up\n')
        a.send('SIGNAL', [('signal', 15)])
        end, out, _, _ = a.collect()
        self.assertEqual((end['code'], out), ('5', b'child\n'))

    def test_what_it_leaves_in_its_group_is_killed(self):
        a = self.prepared()
        end, out, _, _ = a.run('sh', '-c', 'sleep 300 & echo $!')
        self.assertEqual(end['code'], '0')
        self.assertTrue(eventually(lambda: not is_alive(int(out))))

    def test_much_output_comes_whole_and_in_frames_of_bounded_size(self):
        end, out, _, _ = self.prepared().run('sh', '-c', 'head -c 30000000 /dev/zero; echo end')
        self.assertEqual((end['code'], len(out), out[-4:]), ('0', 30000004, b'end\n'))

    def test_output_that_nobody_reads_stops_the_command_not_the_memory(self):
        a = self.prepared()
        a.start('sh', '-c', 'head -c 200000000 /dev/zero; echo never >&2')
        a.expect('RUNNING')
        time.sleep(0.5)
        with open(f'/proc/{a.process.pid}/statm') as f:
            resident = int(f.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')
        self.assertLess(resident, 8 << 20)
        a.send('SIGNAL', [('signal', 9)])  # it still hears
        self.assertLess(len(a.collect()[1]), 4 << 20)

    def test_end_of_the_channel_kills_it(self):
        a = self.prepared()
        a.start('sh', '-c', 'sleep 300 & echo $$ $!; wait')
        a.expect('RUNNING')
        pids = [int(pid) for pid in a.expect('STDOUT').split()]
        self.assertTrue(all(is_alive(pid) for pid in pids))
        a.process.stdin.close()
        self.assertEqual(a.process.wait(5), 0)
        self.assertTrue(eventually(lambda: not any(is_alive(pid) for pid in pids)))

    def test_nobody_who_reads_is_the_end_too(self):
        a = self.prepared()
        a.start('sh', '-c', 'echo $$; while :; do echo more; done')
        a.expect('RUNNING')
        pid = int(a.expect('STDOUT').split()[0])
        a.process.stdout.close()
        self.assertEqual(a.process.wait(5), 0)
        self.assertTrue(eventually(lambda: not is_alive(pid)))
        a.process.stdout = open(os.devnull)

    def test_cannot_look_into_the_agent(self):
        # The test's own user is root with every capability, which may do all; so take another.
        if os.geteuid() != 0:
            self.skipTest('needs root')
        a = self.agent(preexec=lambda: (os.setgid(65534), os.setuid(65534)))
        a.prepare('/')
        pid = a.process.pid
        end, _, err, _ = a.run('sh', '-c', f'id -u; ls -l /proc/{pid}/fd; : < /proc/{pid}/mem')
        self.assertNotEqual(end['code'], '0')
        self.assertEqual(err.count(b'Permission denied'), 2, err)


class Input(AgentTest):
    def feed(self, a, data):
        """Sends data as credit allows while output comes; what collect() gives."""
        credit, sent, given, out = WINDOW, 0, 0, []
        ended = False
        while True:
            while credit and sent < len(data):
                n = min(credit, DATA_MAX, len(data) - sent)
                a.send('STDIN', raw=data[sent:sent + n])
                sent, credit = sent + n, credit - n
            if sent == len(data) and not ended:
                a.send('STDIN_EOF')
                ended = True
            name, value = a.receive()
            if name == 'STDOUT':
                out.append(value)
            elif name == 'STDIN_CREDIT':
                credit += int(value['bytes'])
                given += int(value['bytes'])
                self.assertLessEqual(credit, WINDOW)
            elif name == 'EXIT':
                return value, b''.join(out), given

    def test_far_more_than_the_window_goes_through(self):
        data = os.urandom(4 << 20)
        a = self.prepared()
        a.start('cat')
        a.expect('RUNNING')
        end, out, given = self.feed(a, data)
        self.assertEqual(end['code'], '0')
        self.assertTrue(out == data)
        self.assertLessEqual(given, len(data))
        self.assertGreaterEqual(given, len(data) - WINDOW)

    def test_may_come_before_the_command_runs(self):
        a = self.prepared()
        a.start('cat')
        a.send('STDIN', raw=b'early')
        a.send('STDIN_EOF')
        a.expect('RUNNING')
        self.assertEqual(a.collect()[1], b'early')

    def test_a_command_that_never_reads_it(self):
        a = self.prepared()
        a.start('sh', '-c', 'sleep 1; echo done; exit 4')
        a.expect('RUNNING')
        for _ in range(WINDOW // DATA_MAX):
            a.send('STDIN', raw=bytes(DATA_MAX))
        a.send('STDIN_EOF')
        credit = 0
        while a.wait_readable(0.5):
            credit += int(a.expect('STDIN_CREDIT')['bytes'])
        # What fits into the pipe is credited; that is not all.
        self.assertGreater(credit, 0)
        self.assertLess(credit, WINDOW)
        end, out, _, _ = a.collect()
        self.assertEqual((end['code'], out), ('4', b'done\n'))

    def test_a_command_that_closes_it_gets_no_more_and_the_credit_comes_back(self):
        a = self.prepared()
        a.start('sh', '-c', 'exec <&-; echo closed; sleep 0.7')
        a.expect('RUNNING')
        self.assertEqual(a.expect('STDOUT'), b'closed\n')
        for _ in range(WINDOW // DATA_MAX):
            a.send('STDIN', raw=bytes(DATA_MAX))
        credit = 0
        while credit < WINDOW:
            credit += int(a.expect('STDIN_CREDIT')['bytes'])
        a.send('STDIN', raw=b'x')
        self.assertEqual(a.expect('STDIN_CREDIT'), {'bytes': '1'})
        self.assertEqual(a.collect()[0]['code'], '0')

    def test_no_input_is_an_empty_one(self):
        a = self.prepared()
        a.start('cat')
        a.send('STDIN_EOF')
        a.expect('RUNNING')
        end, out, _, _ = a.collect()
        self.assertEqual((end['code'], out), ('0', b''))

    def test_beyond_the_credit_is_refused(self):
        a = self.prepared()
        a.start('sleep', '300')
        a.expect('RUNNING')
        try:
            for _ in range(20):
                a.send('STDIN', raw=bytes(DATA_MAX))
        except BrokenPipeError:
            pass
        while True:
            name, value = a.receive()
            if name != 'STDIN_CREDIT':
                break
        self.assertEqual((name, value['operation']), ('FAILED', 'protocol'))
        self.assertEqual(a.is_over(), 1)

    def test_what_comes_after_the_end_is_ignored(self):
        a = self.exited()
        a.send('STDIN', raw=b'late')
        a.send('STDIN_EOF')
        a.send('SIGNAL', [('signal', 9)])
        self.assertEqual(a.extract('/nothing/here')[0], {'status': 'missing'})


@unittest.skipUnless(platform.machine() == 'x86_64', 'the program is for x86_64')
class Filter(AgentTest):
    # rmdir() (84 on x86_64) fails with EDOM (33), all else is allowed.
    PROGRAM = struct.pack('<' + 'HBBI' * 4, 0x20, 0, 0, 0, 0x15, 0, 1, 84, 0x06, 0, 0, 0x00050000 | 33,
                          0x06, 0, 0, 0x7fff0000)

    def test_is_put_on_what_the_agent_starts(self):
        a = self.agent()
        a.send('FILTER', raw=self.PROGRAM)
        a.prepare(self.workdir)
        end, _, err, _ = a.run('sh', '-c', 'mkdir made && rmdir made')
        self.assertEqual(end['code'], '1')
        self.assertIn(b'argument out of domain', err)

    def test_is_put_on_the_agent_itself(self):
        a = self.agent()
        a.send('FILTER', raw=self.PROGRAM)
        a.prepare(self.workdir)
        a.start('sleep', '300')
        a.expect('RUNNING')
        with open(f'/proc/{a.process.pid}/status') as status:
            self.assertIn('Seccomp:\t2\n', status.read())

    def test_a_program_that_is_none_is_the_end(self):
        for program, operation in ((b'', 'filter'), (self.PROGRAM[:-1], 'protocol'),
                                   (b'\xff' * 8, 'filter'), (self.PROGRAM * 2000, 'protocol')):
            with self.subTest(length=len(program)):
                a = self.agent()
                a.send('FILTER', raw=program)
                try:
                    a.prepare(self.workdir)
                except BrokenPipeError:
                    pass  # it has ended already
                self.assert_failed(a, operation)

    def test_it_is_too_late_after_prepare(self):
        a = self.prepared()
        a.send('FILTER', raw=self.PROGRAM)
        self.assert_failed(a, 'protocol')


class Confine(AgentTest):
    """What it does is gVisor's kernel's business (tests/contract/test_gvisor.py); here is when it does nothing."""

    def test_nobody_but_the_init_of_a_sandbox_touches_a_kernel(self):
        a = self.agent()
        a.send('CONFINE', [('pids', 100)])
        self.assert_failed(a, 'protocol')

    def test_a_limit_that_is_none_is_the_end(self):
        for fields in ([], [('pids', 0)], [('pids', 'many')], [('pids', -1)]):
            with self.subTest(fields=fields):
                a = self.agent()
                a.send('CONFINE', fields)
                self.assert_failed(a, 'protocol')

    def test_it_is_too_late_after_prepare(self):
        a = self.prepared()
        a.send('CONFINE', [('pids', 100)])
        self.assert_failed(a, 'protocol')


class Pid1(AgentTest):
    def test_a_daemon_that_holds_the_output_delays_nothing(self):
        a = self.pid1()
        begun = time.monotonic()
        end, out, _, _ = a.run('sh', '-c', 'setsid sh -c "sleep 300" & (setsid sleep 300 &) ; echo on')
        self.assertEqual((end['code'], out), ('0', b'on\n'))
        self.assertLess(time.monotonic() - begun, 1.5)

    def test_nothing_is_alive_after_the_end(self):
        a = self.pid1()
        a.run('sh', '-c', 'for i in 1 2 3 4 5; do setsid sleep 300 & done; '
                          'setsid sh -c "while :; do sleep 0.01 & done" & sleep 0.2')
        namespace = os.readlink(f'/proc/{self.agent_pid(a)}/ns/pid')
        others = [pid for pid in os.listdir('/proc') if pid.isdigit() and
                  self.namespace_of(pid) == namespace and int(pid) != self.agent_pid(a)]
        self.assertEqual(others, [])

    @staticmethod
    def namespace_of(pid):
        try:
            return os.readlink(f'/proc/{pid}/ns/pid')
        except OSError:
            return None

    @staticmethod
    def agent_pid(a):
        with open(f'/proc/{a.process.pid}/task/{a.process.pid}/children') as f:
            return int(f.read().split()[0])

    def test_orphans_are_reaped_while_it_runs(self):
        a = self.pid1()
        script = ('for i in 1 2 3; do sh -c "sleep 0.05 &"; done; sleep 0.4; '
                  'grep -l "^State:.*Z" /proc/[0-9]*/status; true')
        end, out, _, _ = a.run('sh', '-c', script)
        self.assertEqual((end['code'], out), ('0', b''))

    def test_is_not_killed_from_inside(self):
        a = self.pid1()
        end = a.run('sh', '-c', 'for s in KILL TERM INT STOP PIPE CHLD HUP; do kill -$s 1; done; '
                                'sleep 0.1; exit 6')[0]
        self.assertEqual(end['code'], '6')
        self.assertEqual(a.extract('/nothing/here')[0], {'status': 'missing'})

    def test_end_of_the_channel_kills_all(self):
        a = self.pid1()
        a.start('sh', '-c', 'setsid sleep 300 & echo up; wait')
        a.expect('RUNNING')
        a.expect('STDOUT')
        agent = self.agent_pid(a)
        with open(f'/proc/{agent}/task/{agent}/children') as f:
            inside = [int(pid) for pid in f.read().split()]
        self.assertTrue(inside)
        a.process.stdin.close()
        self.assertEqual(a.process.wait(5), 0)
        self.assertTrue(eventually(lambda: not any(is_alive(pid) for pid in inside)))

    def test_output_written_just_before_the_end_is_there(self):
        for _ in range(20):
            a = self.pid1()
            end, out, _, _ = a.run('sh', '-c', 'head -c 100000 /dev/zero; kill -9 $$')
            self.assertEqual((end['code'], len(out)), ('137', 100000))
            a.close()


class Walls(AgentTest):
    def test_what_confines_it_is_reported(self):
        a = self.agent()
        a.send('INSPECT')
        walls = a.expect('WALLS')
        with open(f'/proc/{a.process.pid}/status') as f:
            status = dict(line.rstrip('\n').split(':\t', 1) for line in f if ':\t' in line)
        for key in ('NoNewPrivs', 'Seccomp', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'):
            self.assertEqual(walls[key], status[key], key)
        self.assertEqual(walls.get('Seccomp_filters'), status.get('Seccomp_filters'))
        self.assertEqual(walls['pid'], str(a.process.pid))
        with open(f'/proc/{a.process.pid}/uid_map') as f:
            self.assertEqual(walls['uid_map'].split(), f.read().split())

    def test_the_filter_is_on_by_then(self):
        a = self.agent()
        # Allows everything: BPF_RET | BPF_K, SECCOMP_RET_ALLOW.
        a.send('FILTER', raw=struct.pack('<HBBI', 0x06, 0, 0, 0x7fff0000))
        a.send('INSPECT')
        self.assertEqual(a.expect('WALLS')['Seccomp'], '2')

    def test_a_folder_of_the_images_is_no_evidence(self):
        """/proc that is not the kernel's."""
        with tempfile.TemporaryDirectory() as root:
            shutil.copy(AGENT, os.path.join(root, 'agent'))
            os.makedirs(os.path.join(root, 'proc/self'))
            for name in ('status', 'uid_map', 'gid_map'):
                with open(os.path.join(root, 'proc/self', name), 'w') as f:
                    f.write('Seccomp:\t2\n')
            a = self.agent(root=root)
            a.send('INSPECT')
            name, value = a.receive()
            self.assertEqual((name, value.get('operation')), ('FAILED', 'inspect'))


class Protocol(AgentTest):
    def test_frames_out_of_order(self):
        prepare = ('PREPARE', [('workdir', '/')])
        start = ('START', [('arg', 'true')])
        entry = ('ENTRY', [('kind', 'file'), ('path', 'f'), ('mode', '644'), ('mtime', 1)])
        for frames in (
                [start], [('STDIN', ())], [('ENTRIES_END', ())], [('EXTRACT', [('path', '/'), ('max', 1)])],
                [prepare, prepare], [prepare, ('STDIN_EOF', ())], [prepare, ('DATA', ())],
                [prepare, ('ENTRY_END', ())],
                [prepare, ('START', ())], [prepare, ('START', [('env', 'A=1')])],
                [prepare, start, entry], [prepare, start, ('ENTRIES_END', ())], [prepare, ('ENTRIES_END', ()), prepare],
                [prepare, ('HELLO', ())], [('PREPARE', ())], [prepare, ('INSPECT', ())],
                [prepare, ('ENTRY', [('kind', 'file'), ('path', 'f'), ('mode', '9'), ('mtime', 1)])],
                [prepare, ('ENTRY', [('kind', 'file'), ('path', 'f'), ('mode', ''), ('mtime', 1)])],
                [prepare, ('ENTRY', [('kind', 'file'), ('path', 'f'), ('mode', '7'), ('mtime', -1)])],
                [prepare, ('ENTRY', [('kind', 'file'), ('path', 'f'), ('mode', '7')])]):
            with self.subTest(frames=frames):
                a = self.agent()
                for name, fields in frames:
                    a.send(name, [(k, self.workdir if v == '/' and k == 'workdir' else v)
                                  for k, v in fields])
                name, value = a.receive()
                while name in ('SEEDED', 'RUNNING'):
                    name, value = a.receive()
                self.assertEqual((name, value.get('operation')), ('FAILED', 'protocol'))
                self.assertEqual(a.is_over(), 1)

    def test_a_start_within_a_file_or_before_the_tree_is_complete(self):
        for frames in ('ENTRY',), ('ENTRY', 'ENTRY_END'):
            a = self.prepared()
            a.send('ENTRY', [('kind', 'file'), ('path', 'f'), ('mode', '644'), ('mtime', 1)])
            if 'ENTRY_END' in frames:
                a.send('ENTRY_END')
            a.start('true')
            self.assert_failed(a, 'protocol')

    def test_a_second_start(self):
        a = self.prepared()
        a.start('sleep', '300')
        a.expect('RUNNING')
        a.start('true')
        self.assert_failed(a, 'protocol')

    def test_an_extract_while_the_command_runs(self):
        a = self.prepared()
        a.start('sleep', '300')
        a.expect('RUNNING')
        a.send('EXTRACT', [('path', '/etc'), ('max', 1)])
        self.assert_failed(a, 'protocol')

    def test_signals_that_are_none(self):
        for number in (0, 65, 1 << 32, 'x'):
            a = self.prepared()
            a.start('sleep', '300')
            a.expect('RUNNING')
            a.send('SIGNAL', [('signal', number)])
            self.assert_failed(a, 'protocol')

    def test_rubbish(self):
        for data in (b'GET / HTTP/1.1\r\n', bytes(8), struct.pack('<BBHI', 32, 0, 0, 1 << 30),
                     struct.pack('<BBHI', 32, 0, 0, 3) + b'abc',
                     struct.pack('<BBHI', 32, 0, 0, 4) + b'abc\0',
                     struct.pack('<BBHI', 200, 0, 0, 0)):
            with self.subTest(data=data):
                a = self.agent()
                a.send_bytes(data)
                self.assert_failed(a, 'protocol')

    def test_frames_may_come_byte_by_byte(self):
        a = self.agent()
        payload = encode([('workdir', self.workdir)])
        for byte in struct.pack('<BBHI', TYPES['PREPARE'], 0, 0, len(payload)) + payload:
            a.send_bytes(bytes([byte]))
        self.assertEqual(a.run('true')[0]['code'], '0')

    def test_the_end_before_the_beginning(self):
        a = self.agent()
        a.process.stdin.close()
        self.assertEqual(a.is_over(), 0)

    def test_nobody_listens_at_the_start(self):
        reading, writing = os.pipe()
        os.close(reading)
        p = subprocess.Popen([AGENT], stdin=subprocess.PIPE, stdout=writing)
        os.close(writing)
        self.assertEqual(p.wait(5), 0)
        p.stdin.close()


if __name__ == '__main__':
    main()
