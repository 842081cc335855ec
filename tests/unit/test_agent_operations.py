#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The agent's operations on files, beside running commands and beside each other."""

import os
import stat
import subprocess

from agent_driver import DATA_MAX, AgentTest, main

FILE_MAX = 64 * 1024 * 1024
LIST_MAX = 10000
STRANGE = b'not \xff\xfe utf-8\n'


class Operations(AgentTest):
    def setUp(self):
        super().setUp()
        self.a = self.prepared()
        self.last = 0

    def begin(self, name, **fields):
        self.last += 1
        self.a.send(name, fields.items(), number=self.last)
        return self.last

    def answers(self, number):
        """The frames of one operation up to its end."""
        frames = []
        while not frames or frames[-1][0] not in ('DONE', 'EXTRACT_END'):
            frames.append(self.a.receive())
            self.assertEqual(self.a.number, number, frames[-1])
        return frames

    def ask(self, name, **fields):
        """(DONE, what came before it)."""
        *before, (kind, done) = self.answers(self.begin(name, **fields))
        self.assertEqual(kind, 'DONE')
        return done, before

    def write(self, path, data=b'', end=(), **fields):
        number = self.begin('WRITE', path=path, **fields)
        for at in range(0, len(data), DATA_MAX):
            self.a.send('DATA', raw=data[at:at + DATA_MAX], number=number)
        self.a.send('ENTRY_END', end, number=number)
        (kind, done), = self.answers(number)
        return done

    def assert_error(self, done, *words, status='error'):
        self.assertEqual(done['status'], status, done)
        for word in words:
            self.assertIn(word, done['reason'])

    def content(self, *names):
        with open(self.path(*names), 'rb') as f:
            return f.read()

    def make(self, name, data=b''):
        os.makedirs(os.path.dirname(os.path.join(os.fsencode(self.workdir), os.fsencode(name))), exist_ok=True)
        with open(os.path.join(os.fsencode(self.workdir), os.fsencode(name)), 'wb') as f:
            f.write(data)

    def started(self):
        """The workdir exists once the agent has answered."""
        self.assertEqual(self.ask('STAT', path='.')[0]['status'], 'ok')

    # ------------------------------------------------------------ LIST and STAT

    def test_list(self):
        self.started()
        self.make('f', b'abc')
        self.make(STRANGE)
        os.mkdir(self.path('d'), 0o700)
        os.symlink('nowhere', self.path('l'))
        os.mkfifo(self.path('p'))
        done, items = self.ask('LIST', path='.')
        self.assertEqual(done, {'status': 'ok'})
        found = {item['name']: item for kind, item in items if kind == 'ITEM'}
        self.assertEqual({name: item['kind'] for name, item in found.items()},
                         {'f': 'file', 'd': 'dir', 'l': 'link', 'p': 'fifo', os.fsdecode(STRANGE): 'file'})
        self.assertEqual((found['f']['size'], found['l']['target'], found['d']['mode']), ('3', 'nowhere', '700'))
        self.assertEqual(self.ask('LIST', path=self.workdir + '/d'), ({'status': 'ok'}, []))
        self.assert_error(self.ask('LIST', path='x')[0], 'No such file', status='missing')
        self.assert_error(self.ask('LIST', path='f')[0], status='missing')

    def test_a_long_list_comes_in_pages(self):
        self.started()
        for n in range(LIST_MAX + 5):
            os.close(os.open(self.path(str(n)), os.O_CREAT | os.O_WRONLY))
        done, items = self.ask('LIST', path='.', limit=10 ** 9)
        self.assertEqual((done.get('more'), len(items)), ('1', LIST_MAX))
        done, rest = self.ask('LIST', path='.', skip=LIST_MAX)
        self.assertEqual((done.get('more'), len(rest)), (None, 5))
        self.assertEqual(len({item['name'] for _, item in items + rest}), LIST_MAX + 5)
        done, items = self.ask('LIST', path='.', limit=2)
        self.assertEqual((done.get('more'), len(items)), ('1', 2))

    def test_stat(self):
        self.started()
        self.make('f', b'abc')
        os.chmod(self.path('f'), 0o4751)
        os.utime(self.path('f'), ns=(5, 1600000000 * 10 ** 9 + 7))
        os.symlink('f', self.path('l'))
        done, [(kind, item)] = self.ask('STAT', path='f')
        self.assertEqual((kind, item), ('ITEM', {
            'name': 'f', 'kind': 'file', 'size': '3', 'mode': '4751', 'mtime': '1600000000', 'mtime_ns': '7',
            'uid': str(os.getuid()), 'gid': str(os.getgid())}))
        self.assertEqual(self.ask('STAT', path='l')[1][0][1]['kind'], 'link')
        self.assert_error(self.ask('STAT', path='f/x')[0], status='missing')
        self.assert_error(self.ask('STAT', path='a/../f')[0])
        self.assert_error(self.ask('STAT', path='')[0])

    # ------------------------------------------------------------ READ and WRITE

    def test_read(self):
        self.started()
        data = os.urandom(700000)
        self.make('f', data)
        os.symlink('f', self.path('l'))
        for fields, expected in (({}, data), ({'offset': 100, 'size': 300000}, data[100:300100]),
                                 ({'offset': 699999}, data[-1:]), ({'offset': 10 ** 6}, b''), ({'size': 0}, b'')):
            for path in 'f', 'l':
                done, pieces = self.ask('READ', path=path, **fields)
                self.assertTrue(all(kind == 'DATA' and 0 < len(d) <= DATA_MAX for kind, d in pieces))
                self.assertTrue(b''.join(d for _, d in pieces) == expected)
                self.assertEqual(done, {'status': 'ok', 'size': '700000', 'bytes': str(len(expected))})
        self.assert_error(self.ask('READ', path='f', size=FILE_MAX + 1)[0], str(FILE_MAX))
        self.assert_error(self.ask('READ', path='nothing')[0], status='missing')

    def test_read_takes_regular_files_alone(self):
        self.started()
        os.mkfifo(self.path('p'))
        os.mkdir(self.path('d'))
        for path in 'p', 'd', '/dev/zero', f'/proc/{os.getpid()}/status':
            self.assert_error(self.ask('READ', path=path)[0], 'cannot read')

    def test_no_link_of_the_kernel_is_followed(self):
        self.started()
        self.make('f', b'abc')
        os.symlink('/proc/self/root', self.path('l'))
        for path in f'/proc/self/root{self.workdir}/f', f'/proc/{os.getpid()}/cwd/x', f'l{self.workdir}/f':
            self.assert_error(self.ask('READ', path=path)[0], 'links')
            self.assert_error(self.write(path, b'x'), 'links')

    def test_links_on_the_way_are_followed(self):
        self.started()
        self.make('d/e/f', b'abc')
        os.symlink('d', self.path('relative'))
        os.symlink(self.path('relative', 'e'), self.path('absolute'))
        os.symlink('../d/./e', self.path('d', 'up'))
        os.symlink('loop', self.path('loop'))
        for path in 'relative/e/f', 'absolute/f', 'd/up/f', 'd//e/./f':
            self.assertEqual(self.ask('READ', path=path)[1], [('DATA', b'abc')], path)
        self.assert_error(self.ask('READ', path='loop/f')[0])

    def test_write(self):
        self.started()
        data = os.urandom(700000)
        self.assertEqual(self.write('a/b/f', data), {'status': 'ok'})
        self.assertTrue(self.content('a', 'b', 'f') == data)
        self.assertEqual(stat.S_IMODE(os.stat(self.path('a', 'b', 'f')).st_mode), 0o644)
        self.assertEqual(stat.S_IMODE(os.stat(self.path('a', 'b')).st_mode), 0o755)
        os.chmod(self.path('a', 'b', 'f'), 0o4710)
        self.assertEqual(self.write('a/b/f')['status'], 'ok')
        self.assertEqual((self.content('a', 'b', 'f'), stat.S_IMODE(os.stat(self.path('a', 'b', 'f')).st_mode)),
                         (b'', 0o710))
        self.assertEqual(self.write(self.path('a', 'b', 'f'), b'x', mode='600')['status'], 'ok')
        self.assertEqual(stat.S_IMODE(os.stat(self.path('a', 'b', 'f')).st_mode), 0o600)
        self.assertEqual(self.write(os.fsdecode(STRANGE), b'y')['status'], 'ok')
        self.assertEqual(sorted(os.listdir(os.fsencode(self.workdir))), [b'a', STRANGE])
        self.assert_error(self.write('a', b'x'), 'Is a directory')
        self.assert_error(self.write('.', b'x'))
        self.assert_error(self.write('a/b/f/g', b'x'), status='missing')
        self.assert_error(self.write('g', b'x', mode='9'))
        self.assertEqual(os.listdir(self.path('a')), ['b'])

    def test_write_is_all_or_nothing(self):
        self.started()
        self.make('f', b'old')
        self.make('other', b'other')
        number = self.begin('WRITE', path='f')
        self.a.send('DATA', raw=b'new', number=number)
        self.started()
        self.assertEqual(self.content('f'), b'old')
        self.a.send('ABORT', number=number)
        self.assert_error(self.answers(number)[0][1], 'aborted')
        self.assert_error(self.write('f', b'new', end=[('error', 'the caller is gone')]), 'the caller is gone')
        self.assertEqual((self.content('f'), sorted(os.listdir(self.workdir))), (b'old', ['f', 'other']))
        # A link is replaced, and what it leads to stays.
        os.symlink('other', self.path('l'))
        self.assertEqual(self.write('l', b'new')['status'], 'ok')
        self.assertEqual((self.content('l'), self.content('other')), (b'new', b'other'))

    def test_write_is_bounded(self):
        number = self.begin('WRITE', path='f')
        for _ in range(FILE_MAX // DATA_MAX):
            self.a.send('DATA', raw=bytes(DATA_MAX), number=number)
        self.assert_error(self.ask('STAT', path='f')[0], status='missing')
        for _ in range(3):
            self.a.send('DATA', raw=b'x', number=number)
        self.a.send('ENTRY_END', number=number)
        self.assert_error(self.answers(number)[0][1], str(FILE_MAX))
        self.started()
        self.assertEqual(os.listdir(self.workdir), [])

    def test_a_link_of_a_user_leads_no_change_astray(self):
        if os.geteuid() != 0:
            self.skipTest('needs root: the links of another user')
        a = self.a = self.agent()
        a.prepare(self.workdir, '1234:1234')
        os.chmod(self.folder, 0o755)
        self.started()
        os.mkdir(os.path.join(self.folder, 'protected'))
        protected = os.path.join(self.folder, 'protected', 'f')
        with open(protected, 'w') as f:
            f.write('old')
        os.symlink('../protected', self.path('theirs'))
        os.chown(self.path('theirs'), 1234, 1234, follow_symlinks=False)
        self.assert_error(self.write('theirs/f', b'x'), 'links')
        self.assert_error(self.ask('REMOVE', path='theirs/f')[0], 'links')
        self.assert_error(self.ask('PUT_TREE', path='theirs')[0], 'links')
        self.assertEqual(self.ask('READ', path='theirs/f')[1], [('DATA', b'old')])
        os.symlink('../protected', self.path('ours'))
        self.assertEqual(self.write('ours/g', b'x')['status'], 'ok')
        self.assertEqual(self.write('new/g', b'x')['status'], 'ok')
        for path in self.path('new'), self.path('new', 'g'), os.path.join(self.folder, 'protected', 'g'):
            self.assertEqual((os.stat(path).st_uid, os.stat(path).st_gid), (1234, 1234))
        self.assertEqual(self.write('ours/f', b'new')['status'], 'ok')
        self.assertEqual(os.stat(protected).st_uid, 0)

    # ------------------------------------------------------------ REMOVE

    def test_remove(self):
        self.started()
        for name in 'd/e/f', 'd/g', 'h':
            self.make(name)
        self.make('d/' + os.fsdecode(STRANGE))
        os.mkdir(self.path('empty'))
        os.symlink('../h', self.path('d', 'l'))
        os.symlink('d', self.path('link'))
        self.assert_error(self.ask('REMOVE', path='d')[0], 'not empty')
        self.assertEqual(self.ask('REMOVE', path='empty')[0], {'status': 'ok'})
        self.assertEqual(self.ask('REMOVE', path='link', recursive='yes')[0], {'status': 'ok'})
        self.assertTrue(os.path.exists(self.path('d', 'g')))
        self.assertEqual(self.ask('REMOVE', path='d', recursive='yes')[0], {'status': 'ok'})
        self.assertEqual(os.listdir(self.workdir), ['h'])
        self.assertEqual(self.ask('REMOVE', path='h')[0], {'status': 'ok'})
        self.assert_error(self.ask('REMOVE', path='h')[0], status='missing')
        for path in '.', '/', '/proc/1/x':
            self.assertNotEqual(self.ask('REMOVE', path=path, recursive='yes')[0]['status'], 'ok')

    # ------------------------------------------------------------ trees

    def put(self, path, *entries):
        number = self.begin('PUT_TREE', path=path)
        for kind, name, data in entries:
            more = [('target', data)] if kind == 'link' else []
            self.a.send('ENTRY', [('kind', kind), ('path', name), ('mode', '640'), ('mtime', 1600000000), *more], number=number)
            if kind == 'file':
                self.a.send('DATA', raw=data, number=number)
                self.a.send('ENTRY_END', number=number)
        self.a.send('ENTRIES_END', number=number)
        return self.answers(number)[-1][1]

    def test_put(self):
        self.started()
        self.assertEqual(self.put('a/b', ('dir', 'd', None), ('file', 'd/f', b'abc'), ('link', 'd/l', 'f')), {'status': 'ok'})
        self.assertEqual(self.content('a', 'b', 'd', 'l'), b'abc')
        self.assertEqual(os.stat(self.path('a', 'b', 'd', 'f')).st_mtime, 1600000000)
        # What still comes for an operation that has failed is ignored, and the others go on.
        self.assert_error(self.put('a', ('file', '../x', b''), ('file', 'y', b'')), 'path traversal')
        self.assert_error(self.put('a/b/d/f', ('file', 'y', b'')), status='missing')
        os.symlink('/tmp', self.path('a', 'out'))
        self.assertNotEqual(self.put('a', ('file', 'out/x', b''))['status'], 'ok')
        self.assertEqual(self.put('a', ('file', 'b/d/f', b'def'))['status'], 'ok')
        self.assertEqual(self.content('a', 'b', 'd', 'f'), b'def')

    def test_extract_with_a_number(self):
        self.started()
        self.make('d/f', b'abc')
        self.make('d/' + os.fsdecode(STRANGE), b'x')
        frames = self.answers(self.begin('EXTRACT', path='d', max=1 << 20))
        self.assertEqual(frames[0][1]['status'], 'ok')
        self.assertEqual({value['path'] for kind, value in frames if kind == 'ENTRY'}, {'f', os.fsdecode(STRANGE)})
        self.assertEqual(frames[-1], ('EXTRACT_END', {'status': 'ok'}))
        self.a.send('EXTRACT', [('path', 'nothing'), ('max', 1)], number=9)
        self.assertEqual((self.a.expect('EXTRACT_BEGIN'), self.a.number), ({'status': 'missing'}, 9))

    # ------------------------------------------------------------ at the same time

    def test_a_large_tree_stops_nothing(self):
        """Input, output, KILL and small operations get through while nobody reads 300 MB."""
        a = self.a
        self.started()
        with open(self.path('big'), 'wb') as f:
            f.truncate(300 << 20)
        a.send('EXTRACT', [('path', 'big'), ('max', 1 << 30)], number=50)
        for number, script in ((1, 'cat'), (2, 'sleep 300')):
            a.start('sh', '-c', script, number=number, among='others')
        a.send('STDIN', raw=b'hello\n', number=1)
        a.send('STDIN_EOF', number=1)
        a.send('KILL', number=2)
        a.send('STAT', [('path', 'big')], number=60)
        a.send('READ', [('path', 'big'), ('size', 10)], number=61)
        seen, taken = {}, 0
        while set(seen) != {1, 2, 50, 60, 61}:
            name, value = a.receive()
            if name == 'DATA' and a.number == 50:
                taken += len(value)
            if name in ('EXIT', 'DONE', 'EXTRACT_END'):
                seen[a.number] = taken
        self.assertEqual(taken, 300 << 20)
        for number in (1, 2, 60, 61):
            self.assertLess(seen[number], 100 << 20, seen)

    def test_memory_does_not_grow_with_a_tree_nor_with_a_slow_reader(self):
        self.started()
        with open(self.path('big'), 'wb') as f:
            f.truncate(1 << 30)
        for number in range(1, 5):
            self.a.send('EXTRACT', [('path', 'big'), ('max', 1 << 31)], number=number)
        taken = 0
        while taken < 400 << 20:
            name, value = self.a.receive()
            taken += len(value) if name == 'DATA' else 0
        with open(f'/proc/{self.a.process.pid}/status') as f:
            resident = int(f.read().partition('VmHWM:')[2].split()[0])
        self.assertLess(resident, 16 * 1024)

    def test_many_at_once(self):
        self.started()
        for n in range(10):
            self.make(f'd/{n}', os.urandom(200000))
        numbers = [self.begin('READ', path=f'd/{n}') for n in range(10)]
        got = {number: b'' for number in numbers}
        ends = set()
        while ends != set(numbers):
            name, value = self.a.receive()
            if name == 'DATA':
                got[self.a.number] += value
            else:
                self.assertEqual((name, value['status']), ('DONE', 'ok'))
                ends.add(self.a.number)
        for n, number in enumerate(numbers):
            self.assertTrue(got[number] == self.content('d', str(n)))

    def test_there_is_a_limit(self):
        self.started()
        numbers = [self.begin('WRITE', path=f'{n}') for n in range(16)]
        self.assert_error(self.write('one more', b'x'), 'limit')
        number = self.begin('EXTRACT', path='x', max=1)
        self.assertEqual((self.a.expect('EXTRACT_BEGIN')['status'], self.a.number), ('error', number))
        for number in numbers:
            self.a.send('ENTRY_END', number=number)
            self.assertEqual(self.answers(number)[0][1]['status'], 'ok')
        self.assertEqual(self.write('one more', b'x')['status'], 'ok')

    def test_abort(self):
        self.started()
        with open(self.path('big'), 'wb') as f:
            f.truncate(300 << 20)
        number = self.begin('EXTRACT', path='big', max=1 << 30)
        self.a.send('ABORT', number=number)
        frames = self.answers(number)
        self.assertEqual([kind for kind, _ in frames if kind != 'DATA'],
                         ['EXTRACT_BEGIN', 'ENTRY', 'ENTRY_END', 'EXTRACT_END'])
        self.assert_error(frames[-1][1], 'aborted')
        self.a.send('ABORT', number=number)
        self.started()

    def test_a_number_in_use_ends_the_agent(self):
        self.started()
        self.a.send('WRITE', [('path', 'f')], number=5)
        self.a.send('STAT', [('path', 'f')], number=5)
        self.assert_failed(self.a, 'protocol')

    def test_programs_get_the_file_limit_of_the_start(self):
        def lower():
            subprocess.run(['prlimit', '--pid', str(os.getpid()), '--nofile=100:4000'], check=True)
        self.a = self.prepared(preexec=lower)
        self.started()
        self.make('/'.join(['d'] * 200) + '/f', b'abc')
        frames = self.answers(self.begin('EXTRACT', path='.', max=1 << 20))
        self.assertEqual(frames[-1], ('EXTRACT_END', {'status': 'ok'}))
        self.assertEqual(self.a.run('sh', '-c', 'ulimit -n')[1], b'100\n')


if __name__ == '__main__':
    main()
