#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The agent and several commands: one after the other, at the same time, and what each leaves running."""

import os
import resource
import signal
import time

from agent_driver import AgentTest, eventually, is_alive, main

LIMIT = 128
# In the background, in a session of its own, with a parent that is gone.
DAEMON = "(setsid sh -c 'echo $$ > {0}.new; mv {0}.new {0}; {1}' &)"


class Session:
    """Tells the agent's frames apart by their number."""

    def __init__(self, agent):
        self.agent = agent
        self.out, self.ends, self.failed, self.running, self.credit = {}, {}, {}, set(), {}

    def start(self, number, script):
        self.agent.start('sh', '-c', script, number=number, among='others')

    def take(self):
        name, value = self.agent.receive()
        number = self.agent.number
        if name == 'RUNNING':
            assert number not in self.running
            self.running.add(number)
        elif name in ('STDOUT', 'STDERR'):
            assert number in self.running and number not in self.ends, (number, value)
            self.out[number] = self.out.get(number, b'') + value
        elif name == 'STDIN_CREDIT':
            self.credit[number] = self.credit.get(number, 0) + int(value['bytes'])
        elif name == 'EXIT':
            assert number in self.running and number not in self.ends
            self.ends[number] = value
        elif name == 'FAILED' and number:
            self.failed[number] = value
        else:
            raise AssertionError(f'{name} {value!r}')

    def until(self, condition):
        while not condition():
            self.take()

    def end_of(self, number):
        self.until(lambda: number in self.ends)
        return self.ends[number]['code']

    def run(self, number, script):
        self.start(number, script)
        return self.end_of(number), self.out.get(number, b'')


class Commands(AgentTest):
    def session(self, init=False):
        return Session(self.pid1() if init else self.prepared())

    def pid_in(self, name):
        """The pid that a daemon has written, once it has."""
        self.assertTrue(eventually(lambda: os.path.exists(self.path(name))))
        with open(self.path(name)) as f:
            return int(f.read())

    def daemon(self, name, what='sleep 300'):
        return DAEMON.format(self.path(name), what)

    def test_one_after_the_other(self):
        s = self.session()
        self.assertEqual(s.run(1, 'echo one; exit 1'), ('1', b'one\n'))
        self.assertEqual(s.run(2, 'cat /proc/self/cmdline >&2; exit 2')[0], '2')
        self.assertEqual(s.run(60000, 'kill -KILL $$')[0], '137')
        self.assertEqual(s.run(65535, 'true'), ('0', b''))

    def test_alone_one_after_the_other(self):
        a = self.prepared()
        for number in (1, 2, 7):
            a.start('sh', '-c', f'exit {number}', number=number)
            a.expect('RUNNING')
            self.assertEqual((a.expect('EXIT')['code'], a.number), (str(number), number))

    def test_usage_is_the_commands_own(self):
        s = self.session()
        s.run(1, 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done')
        s.run(2, 'true')
        self.assertGreater(int(s.ends[1]['user_us']), 10000)
        self.assertLess(int(s.ends[2]['user_us']), int(s.ends[1]['user_us']) / 2)

    def test_each_has_its_own_input(self):
        s = self.session()
        for number in (1, 2, 3):
            s.start(number, 'cat; echo end')
        for number in (3, 1, 2):
            s.agent.send('STDIN', raw=b'for %d\n' % number, number=number)
        for number in (2, 1, 3):
            s.agent.send('STDIN_EOF', number=number)
            # The others hold no end of its pipes.
            self.assertEqual(s.end_of(number), '0')
            self.assertEqual(s.out[number], b'for %d\nend\n' % number)

    def test_one_that_does_not_read_stops_no_other(self):
        s = self.session()
        s.start(1, 'sleep 300')
        s.until(lambda: 1 in s.running)
        s.agent.send('STDIN', raw=b'x' * (256 * 1024), number=1)
        s.start(2, 'cat')
        s.agent.send('STDIN', raw=b'y' * 1000, number=2)
        s.agent.send('STDIN_EOF', number=2)
        self.assertEqual(s.end_of(2), '0')
        self.assertEqual(len(s.out[2]), 1000)

    def test_credit_is_for_each(self):
        s = self.session()
        s.start(1, 'sleep 300')
        s.start(2, 'sleep 300')
        s.until(lambda: s.running == {1, 2})
        s.agent.send('STDIN', raw=b'x' * (256 * 1024), number=1)
        s.agent.send('STDIN', raw=b'x' * (256 * 1024), number=2)
        # What the pipe took comes back; as much again is more than there is room for.
        s.until(lambda: s.credit.get(1) and s.credit.get(2))
        s.agent.send('STDIN', raw=b'x' * (s.credit[1] + 1), number=1)
        with self.assertRaises(AssertionError):
            s.end_of(1)
        self.assertEqual(s.agent.is_over(), 1)

    def test_what_it_leaves_running_lives_on_and_its_output_is_thrown_away(self):
        s = self.session()
        writes = 'trap "" PIPE; while echo late && head -c 100000 /dev/zero; do sleep 0.01; done; exit 9'
        code, out = s.run(1, f'{self.daemon("d", writes)}; until [ -e {self.path("d")} ]; do sleep 0.01; done; sleep 0.2; echo on; exit 4')
        self.assertEqual(code, '4')
        self.assertIn(b'on\n', out)
        pid = self.pid_in('d')
        # More than any pipe holds: somebody reads it.
        time.sleep(0.5)
        self.assertTrue(is_alive(pid))
        self.assertEqual(s.run(2, 'echo next'), ('0', b'next\n'))
        self.assertTrue(is_alive(pid))
        s.agent.process.stdin.close()
        self.assertEqual(s.agent.process.wait(5), 0)
        self.assertTrue(eventually(lambda: not is_alive(pid)))

    def test_output_written_just_before_the_end_is_there(self):
        s = self.session()
        for number in range(1, 21):
            code, out = s.run(number, f'{self.daemon(f"d{number}")}; head -c 100000 /dev/zero; kill -9 $$')
            self.assertEqual((code, len(out)), ('137', 100000))

    def test_output_that_the_supervisor_has_no_room_for_at_the_end_is_there(self):
        s = self.session()
        # Fits into the queue of the agent and the pipes on both sides of it, even if their pages are not full. So the command ends.
        s.start(1, f'{self.daemon("d")}; head -c 420000 /dev/zero; touch done; exit 5')
        self.assertTrue(eventually(lambda: os.path.exists(self.path('done'))))
        time.sleep(0.2)
        self.assertEqual((s.end_of(1), len(s.out[1])), ('5', 420000))

    def test_kill_reaches_its_descendants_and_no_other(self):
        s = self.session()
        for number in (1, 2):
            s.start(number, f'{self.daemon(f"d{number}")}; setsid sleep 300 & wait; sleep 300')
            self.pid_in(f'd{number}')
        pids = [self.pid_in('d1'), self.pid_in('d2')]
        s.agent.send('KILL', number=1)
        self.assertEqual(s.end_of(1), '137')
        self.assertEqual([is_alive(pid) for pid in pids], [False, True])
        self.assertNotIn(2, s.ends)
        s.agent.send('KILL', number=2)
        self.assertEqual(s.end_of(2), '137')
        self.assertFalse(is_alive(pids[1]))

    def test_kill_reaches_what_it_has_left_running(self):
        s = self.session()
        for number in (1, 2):
            self.assertEqual(s.run(number, self.daemon(f'd{number}'))[0], '0')
        pids = [self.pid_in('d1'), self.pid_in('d2')]
        s.agent.send('KILL', number=2)
        self.assertTrue(eventually(lambda: not is_alive(pids[1])))
        self.assertTrue(is_alive(pids[0]))

    def test_kill_of_one_that_forks_all_the_time(self):
        s = self.session()
        s.start(1, 'for i in 1 2 3; do (while :; do setsid sleep 0.05 & done) & done; echo up; wait')
        s.until(lambda: 1 in s.out)
        s.agent.send('KILL', number=1)
        self.assertEqual(s.end_of(1), '137')
        self.assertEqual(self.subreapers(s), [])

    def test_kill_before_it_runs(self):
        s = self.session()
        for number in range(1, 21):
            s.start(number, 'sleep 300')
            s.agent.send('KILL', number=number)
            self.assertEqual(s.end_of(number), '137')

    def test_a_signal_reaches_one_group(self):
        s = self.session()
        for number in (1, 2):
            s.start(number, 'trap "echo got; exit 5" USR1; echo up; while :; do sleep 0.01; done')
        s.until(lambda: s.out == {1: b'up\n', 2: b'up\n'})
        s.agent.send('SIGNAL', [('signal', int(signal.SIGUSR1))], number=2)
        self.assertEqual((s.end_of(2), s.out[1]), ('5', b'up\n'))
        self.assertIn(b'got\n', s.out[2])

    @staticmethod
    def children(pid):
        with open(f'/proc/{pid}/task/{pid}/children') as f:
            return [int(child) for child in f.read().split()]

    def subreapers(self, s):
        time.sleep(0.1)
        return [pid for pid in self.children(s.agent.process.pid) if is_alive(pid)]

    def test_a_subreaper_that_is_killed_takes_its_command_along(self):
        s = self.session(init=True)
        s.start(1, f'{self.daemon("d1")}; sleep 300')
        self.pid_in('d1')
        s.start(2, f'{self.daemon("d2")}; until [ -e {self.path("d2")} ]; do sleep 0.01; done; kill -KILL $PPID; sleep 300')
        self.assertEqual(s.end_of(2), '137')
        # The pids are those of the namespace.
        look = 'kill -0 $(cat d1) && echo one; kill -0 $(cat d2) 2>/dev/null && echo two; true'
        self.assertEqual(s.run(3, look), ('0', b'one\n'))
        self.assertNotIn(1, s.ends)
        # One that has ended already, but has left something running.
        self.assertEqual(s.run(4, f'{self.daemon("d4")}; until [ -e {self.path("d4")} ]; do sleep 0.01; done; echo $PPID > subreaper')[0], '0')
        self.assertEqual(s.run(5, 'kill -KILL $(cat subreaper); for i in 1 2 3 4 5 6 7 8 9; do sleep 0.1; kill -0 $(cat d4) 2>/dev/null || exit 3; done')[0], '3')

    def test_signals_to_a_subreaper_do_nothing(self):
        s = self.session(init=True)
        script = 'for s in TERM INT HUP QUIT USR1 ALRM; do kill -$s $PPID; done; sleep 0.1; exit 6'
        self.assertEqual(s.run(1, script)[0], '6')

    def test_one_that_stops_its_subreaper_can_be_killed(self):
        s = self.session(init=True)
        s.start(1, 'read x; kill -STOP $PPID; echo stopped; sleep 300')
        s.until(lambda: 1 in s.running)
        s.agent.send('STDIN', raw=b'go\n', number=1)
        s.until(lambda: 1 in s.out)
        s.agent.send('KILL', number=1)
        self.assertEqual(s.end_of(1), '137')
        # At once, so that it may not even be known to run.
        s.start(2, 'kill -STOP $PPID; sleep 300')
        time.sleep(0.2)
        s.agent.send('KILL', number=2)
        self.assertEqual(s.end_of(2), '137')

    def test_a_subreaper_holds_nothing_of_the_agents(self):
        s = self.session()
        s.start(1, 'sleep 300')
        s.start(2, 'sleep 300')
        s.until(lambda: s.running == {1, 2})
        for subreaper in self.children(s.agent.process.pid):
            # The first three, and the pipe for its reports. It may not have closed the others yet.
            deadline = time.monotonic() + 10
            while len(os.listdir(f'/proc/{subreaper}/fd')) != 4 and time.monotonic() < deadline:
                time.sleep(0.01)
            self.assertEqual(len(os.listdir(f'/proc/{subreaper}/fd')), 4)

    def test_one_that_cannot_be_executed_is_no_end_of_the_sandbox(self):
        s = self.session()
        s.agent.start('no-such-program', number=1, among='others')
        s.agent.send('START', [('among', 'others')], number=2)
        s.until(lambda: len(s.failed) == 2)
        self.assertEqual([s.failed[n]['operation'] for n in (1, 2)], ['exec', 'protocol'])
        self.assertEqual(s.run(3, 'echo here'), ('0', b'here\n'))

    def test_one_more_than_there_may_be_processes(self):
        # One for the agent, one for the subreaper, none for the command. Root has no such limit.
        if os.geteuid() != 0:
            self.skipTest('needs root')

        def limit():
            os.setgroups([])
            os.setresgid(54321, 54321, 54321)
            os.setresuid(54321, 54321, 54321)
            resource.setrlimit(resource.RLIMIT_NPROC, (2, 2))

        os.chmod(self.folder, 0o777)
        a = self.agent(preexec=limit)
        a.prepare(self.workdir, user='54321:54321')
        s = Session(a)
        s.start(1, 'true')
        s.until(lambda: 1 in s.failed)
        self.assertIn('Resource temporarily unavailable', s.failed[1]['message'])
        self.assertEqual(s.ends, {})

    def test_there_is_a_limit(self):
        s = self.session()
        for number in range(1, LIMIT + 2):
            s.start(number, 'read x')
        s.until(lambda: s.failed)
        self.assertEqual(list(s.failed), [LIMIT + 1])
        self.assertIn('limit', s.failed[LIMIT + 1]['message'])
        s.agent.send('STDIN_EOF', number=5)
        s.end_of(5)

        # The place is free once the subreaper has ended, which is a moment after EXIT.
        def runs():
            number = LIMIT + 1 + len(s.failed)
            s.start(number, 'true')
            s.until(lambda: number in s.ends or number in s.failed)
            return number in s.ends

        self.assertTrue(eventually(runs))

    def test_files_go_in_and_out_between_and_beside_commands(self):
        s = self.session()
        s.start(1, 'until [ -e go ]; do sleep 0.01; done; cat first second')
        s.until(lambda: 1 in s.running)
        for name in ('first', 'second'):
            s.agent.send('ENTRY', [('kind', 'file'), ('path', name), ('mode', '644'), ('mtime', 1)])
            s.agent.send('DATA', raw=name.encode() + b'\n')
            s.agent.send('ENTRY_END')
            s.agent.send('ENTRIES_END')
            s.agent.expect('SEEDED')
            begin, entries, _, _, _ = s.agent.extract('first')
            self.assertEqual((begin['status'], entries), ('ok', {'first': b'first\n'}))
        self.assertEqual(s.run(2, 'touch go')[0], '0')
        self.assertEqual(s.end_of(1), '0')
        self.assertEqual(s.out[1], b'first\nsecond\n')

    def test_a_number_means_one_command(self):
        for number in (1, 2):
            s = self.session()
            s.run(2, 'true')
            s.start(number, 'true')
            self.assert_failed(s.agent, 'protocol')

    def test_frames_for_one_that_has_ended_are_ignored(self):
        s = self.session()
        s.run(1, 'true')
        s.run(3, 'true')
        for number in (1, 3, 2):  # there has never been a 2, and there never will be
            s.agent.send('STDIN', raw=b'x', number=number)
            s.agent.send('STDIN_EOF', number=number)
            s.agent.send('SIGNAL', [('signal', 15)], number=number)
            s.agent.send('KILL', number=number)
        self.assertEqual(s.run(4, 'echo on'), ('0', b'on\n'))

    def test_frames_for_one_that_does_not_exist_are_the_end(self):
        for name, fields in (('STDIN', ()), ('STDIN_EOF', ()), ('SIGNAL', [('signal', 15)]), ('KILL', ())):
            a = self.prepared()
            a.send(name, fields, number=1)
            self.assert_failed(a, 'protocol')

    def test_one_that_is_alone_has_no_other_beside_it(self):
        for first, second in ((None, None), (None, 'others'), ('others', None)):
            a = self.prepared()
            a.start('sleep', '300', number=1, among=first)
            a.expect('RUNNING')
            a.start('true', number=2, among=second)
            self.assert_failed(a, 'protocol')
        s = self.session()
        s.run(1, self.daemon('d'))
        self.pid_in('d')
        s.agent.start('true', number=2)
        self.assert_failed(s.agent, 'protocol')


if __name__ == '__main__':
    main()
