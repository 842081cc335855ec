#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The agent and what START may say about one command: its terminal, its user, its working directory."""

import os
import signal
import time

from agent_driver import AgentTest, eventually, is_alive, main
from test_agent_commands import DAEMON, Session


class Own(AgentTest):
    """What is a command's own."""

    def session(self):
        return Session(self.prepared())

    def start(self, s, number, script, **fields):
        s.agent.send('START', [('arg', 'sh'), ('arg', '-c'), ('arg', script), ('env', 'PATH=/usr/bin:/bin'), ('among', 'others'),
                               *fields.items()], number=number)

    def run_one(self, s, number, script, **fields):
        self.start(s, number, script, **fields)
        return s.end_of(number), s.out.get(number, b'')

    def terminal(self, s, number, script, **fields):
        self.start(s, number, script, tty=1, rows=24, cols=80, **fields)


class Places(Own):
    def test_a_workdir_of_its_own(self):
        s = self.session()
        self.assertEqual(s.run(1, 'mkdir -p sub/deep; ln -s sub link')[0], '0')
        for number, workdir, at in ((2, 'sub/deep', self.path('sub', 'deep')), (3, '/usr', '/usr'), (4, 'link', self.path('sub')),
                                    (5, '.', self.workdir)):
            self.assertEqual(self.run_one(s, number, 'pwd -P', workdir=workdir), ('0', os.fsencode(os.path.realpath(at)) + b'\n'))
        # It is not carried on.
        self.assertEqual(s.run(6, 'pwd'), ('0', os.fsencode(self.workdir) + b'\n'))

    def test_a_workdir_that_is_missing_fails_that_command_alone(self):
        s = self.session()
        self.assertEqual(s.run(1, 'touch file; mkfifo fifo')[0], '0')
        for number, workdir, reason in ((2, 'no/such', 'No such file or directory'), (3, 'file', 'Not a directory'),
                                        (4, 'fifo', 'Not a directory')):
            self.start(s, number, 'true', workdir=workdir)
            s.until(lambda: number in s.failed)
            self.assertEqual(s.failed[number]['operation'], 'exec')
            self.assertEqual(s.failed[number]['message'], f"cannot enter the working directory '{workdir}': {reason}")
        self.start(s, 5, 'true', workdir=self.path('file', 'deep'))
        s.until(lambda: 5 in s.failed)
        self.assertIn('Not a directory', s.failed[5]['message'])
        self.assertEqual(s.run(6, 'echo on'), ('0', b'on\n'))

    def test_an_absolute_workdir_is_made(self):
        s = self.session()
        self.assertEqual(self.run_one(s, 1, 'pwd', workdir=self.path('new', 'deep')), ('0', os.fsencode(self.path('new', 'deep')) + b'\n'))

    def test_relative_programs_are_below_its_own_workdir(self):
        s = self.session()
        s.run(1, 'mkdir sub; printf "#!/no/interpreter\\n" > sub/script; chmod +x sub/script')
        s.agent.send('START', [('arg', './script'), ('among', 'others'), ('report', 'exit'), ('workdir', 'sub')], number=2)
        self.assertEqual(s.end_of(2), '127')
        self.assertIn(b'its interpreter or loader does not exist', s.out[2])


class Users(Own):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest('needs root')
        os.chmod(self.folder, 0o755)

    def test_a_user_of_its_own(self):
        s = self.session()
        show = 'echo $(id -u):$(id -g):$(id -G) $HOME'
        self.assertEqual(self.run_one(s, 1, show, user='54321:54322'), ('0', b'54321:54322:54322 /\n'))
        self.assertEqual(self.run_one(s, 2, show, user='daemon')[1].split(b' ')[0], b'1:1:1')
        # The others go on as the user of PREPARE.
        self.assertEqual(s.run(3, 'id -u'), ('0', b'0\n'))

    def test_a_user_that_does_not_exist_fails_that_command_alone(self):
        s = self.session()
        self.start(s, 1, 'true', user='nobody-of-that-name')
        s.until(lambda: 1 in s.failed)
        self.assertIn("no user 'nobody-of-that-name'", s.failed[1]['message'])
        self.assertEqual(s.run(2, 'echo on'), ('0', b'on\n'))

    def test_its_streams_are_its_own(self):
        s = self.session()
        self.assertEqual(self.run_one(s, 1, 'echo x > /dev/stderr; echo y > /dev/stdout', user='54321')[0], '0')
        self.assertEqual(sorted(s.out[1]), sorted(b'x\ny\n'))

    def test_its_terminal_is_its_own(self):
        s = self.session()
        self.terminal(s, 1, 'echo x > $(tty) && test -O $(tty)', user='54321')
        self.assertEqual((s.end_of(1), s.out[1]), ('0', b'x\r\n'))


class Signals(Own):
    def test_a_signal_to_all_descendants(self):
        s = self.session()
        traps = "trap 'echo got > {0}; exit' USR1; echo up > {0}.up; while :; do sleep 0.01; done"
        for number in (1, 2):
            child = traps.format(self.path(f'c{number}'))
            s.start(number, f'setsid sh -c "{child}" & trap "" USR1; wait; sleep 300')
            self.assertTrue(eventually(lambda: os.path.exists(self.path(f'c{number}.up'))))
        s.agent.send('SIGNAL', [('signal', int(signal.SIGUSR1))], number=1)
        time.sleep(0.2)
        self.assertFalse(os.path.exists(self.path('c1')))
        s.agent.send('SIGNAL', [('signal', int(signal.SIGUSR1)), ('all', 1)], number=1)
        self.assertTrue(eventually(lambda: os.path.exists(self.path('c1'))))
        self.assertFalse(os.path.exists(self.path('c2')))


class Terminals(Own):
    def test_is_its_controlling_terminal(self):
        s = self.session()
        self.terminal(s, 1, 'test -t 0 && test -t 1 && test -t 2 && tty && stty size && echo err >&2 && : < /dev/tty && echo $TERM')
        self.assertEqual(s.end_of(1), '0', s.out)
        self.assertRegex(s.out[1], rb'\A/dev/pts/\d+\r\n24 80\r\nerr\r\nxterm\r\n\Z')

    def test_of_one_that_is_alone(self):
        a = self.prepared()
        a.send('START', [('arg', 'sh'), ('arg', '-c'), ('arg', 'test -t 0 && echo yes; exit 3'), ('tty', 1)])
        a.expect('RUNNING')
        end, out, err, _ = a.collect()
        self.assertEqual((end['code'], out, err), ('3', b'yes\r\n', b''))

    def test_resize(self):
        s = self.session()
        self.terminal(s, 1, 'trap "stty size; exit 5" WINCH; echo up; while :; do sleep 0.01; done')
        s.until(lambda: 1 in s.out)
        s.agent.send('RESIZE', [('rows', 50), ('cols', 132)], number=1)
        self.assertEqual(s.end_of(1), '5')
        self.assertIn(b'50 132\r\n', s.out[1])

    def test_resize_of_one_without_a_terminal_does_nothing(self):
        s = self.session()
        s.start(1, 'read x')
        s.agent.send('RESIZE', [('rows', 50), ('cols', 132)], number=1)
        s.agent.send('HANGUP', number=1)
        s.agent.send('STDIN', raw=b'x\n', number=1)
        self.assertEqual(s.end_of(1), '0')

    def test_resize_without_a_size_is_the_end(self):
        s = self.session()
        self.terminal(s, 1, 'sleep 300')
        s.until(lambda: 1 in s.running)
        s.agent.send('RESIZE', [('rows', 'x')], number=1)
        self.assert_failed(s.agent, 'protocol')

    def test_keys_are_signals_and_the_end_of_input(self):
        s = self.session()
        self.terminal(s, 1, 'echo up; exec sleep 300')
        s.until(lambda: 1 in s.out)
        s.agent.send('STDIN', raw=b'\x03', number=1)
        self.assertEqual((s.end_of(1), s.ends[1]['signal']), ('130', '2'))
        for number, typed in ((2, b''), (3, b'line\n'), (4, b'unfinished')):
            self.terminal(s, number, 'stty -echo; echo up; cat; echo end')
            s.until(lambda: number in s.out)
            if typed:
                s.agent.send('STDIN', raw=typed, number=number)
            s.agent.send('STDIN_EOF', number=number)
            self.assertEqual(s.end_of(number), '0')
            self.assertEqual(s.out[number], b'up\r\n' + typed.replace(b'\n', b'\r\n') + b'end\r\n')

    def test_the_end_of_input_is_not_the_end_of_output(self):
        s = self.session()
        self.terminal(s, 1, 'sleep 0.3; echo later; exit 4')
        s.agent.send('STDIN_EOF', number=1)
        self.assertEqual(s.end_of(1), '4')
        self.assertIn(b'later\r\n', s.out[1])

    def test_hang_up(self):
        s = self.session()
        # A shell runs a trap after its child, which gets the signal, too.
        self.terminal(s, 1, f'trap "echo got > {self.path("hup")}; exit 7" HUP; echo up; while :; do sleep 0.05; done')
        s.until(lambda: 1 in s.out)
        s.agent.send('HANGUP', number=1)
        self.assertEqual(s.end_of(1), '7')
        self.assertTrue(os.path.exists(self.path('hup')))

    def test_all_its_output_is_there(self):
        s = self.session()
        for number in range(1, 11):
            self.terminal(s, number, 'head -c 100000 /dev/zero; exit 6')
            self.assertEqual((s.end_of(number), len(s.out[number])), ('6', 100000))

    def test_one_that_leaves_something_on_its_terminal_ends(self):
        s = self.session()
        self.terminal(s, 1, DAEMON.format(self.path('d'), 'trap "" HUP; while :; do echo late; sleep 0.01; done') +
                      f'; until [ -e {self.path("d")} ]; do sleep 0.01; done; echo on')
        begun = time.monotonic()
        self.assertEqual(s.end_of(1), '0')
        self.assertIn(b'on\r\n', s.out[1])
        self.assertLess(time.monotonic() - begun, 20)

    def test_kill(self):
        s = self.session()
        self.terminal(s, 1, DAEMON.format(self.path('d'), 'trap "" HUP; sleep 300') + '; sleep 300')
        self.assertTrue(eventually(lambda: os.path.exists(self.path('d'))))
        with open(self.path('d')) as f:
            pid = int(f.read())
        s.agent.send('KILL', number=1)
        self.assertEqual(s.end_of(1), '137')
        self.assertTrue(eventually(lambda: not is_alive(pid)))

    def test_input_that_is_not_read_stops_no_other(self):
        s = self.session()
        self.terminal(s, 1, 'stty raw -echo; echo up; sleep 300')
        s.until(lambda: 1 in s.out)
        s.agent.send('STDIN', raw=b'x' * (256 * 1024), number=1)
        s.agent.send('STDIN_EOF', number=1)
        self.assertEqual(s.run(2, 'echo on'), ('0', b'on\n'))
        s.agent.send('KILL', number=1)
        self.assertEqual(s.end_of(1), '137')

    def test_without_devpts_that_command_fails(self):
        if os.geteuid() != 0:
            self.skipTest('needs root')
        import shutil
        from agent_driver import AGENT
        root = self.path('root')
        os.makedirs(os.path.join(root, 'dev'))
        shutil.copy(AGENT, os.path.join(root, 'agent'))
        # A fifo in its place must not block the agent.
        os.mkfifo(os.path.join(root, 'dev', 'ptmx'))
        a = self.agent(root=root)
        a.prepare('/app')
        s = Session(a)
        self.terminal(s, 1, 'true')
        s.until(lambda: 1 in s.failed)
        self.assertIn('cannot open a terminal', s.failed[1]['message'])
        self.start(s, 2, 'true')
        s.until(lambda: 2 in s.failed)
        self.assertIn("cannot execute 'sh'", s.failed[2]['message'])


if __name__ == '__main__':
    main()
