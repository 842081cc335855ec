#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The agent and files: what goes in, what comes out, and what it reads of the image.

What needs an image of its own runs in a chroot, where nothing is but the agent and busybox.
"""

import ctypes
import os
import shutil
import socket
import stat
import struct
import subprocess
import time

from agent_driver import AGENT, DATA_MAX, AgentTest, main

BUSYBOX = shutil.which('busybox')


def without_openat2():
    """Makes openat2() fail with ENOSYS from here on, as it does in gVisor."""
    openat2, load, equal, give, allow, error = 437, 0x20, 0x15, 0x06, 0x7fff0000, 0x00050000
    code = b''.join(struct.pack('<HBBI', *i) for i in
                    [(load, 0, 0, 0), (equal, 0, 1, openat2), (give, 0, 0, error | 38),
                     (give, 0, 0, allow)])
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack('<HxxxxxxQ', 4, ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    unsigned = [ctypes.c_ulong(0)] * 3
    if libc.prctl(38, ctypes.c_ulong(1), *unsigned) or libc.prctl(22, ctypes.c_ulong(2), program, 0, 0):
        raise OSError(ctypes.get_errno(), 'seccomp')


class Seed(AgentTest):
    preexec = None

    def seeding(self):
        return self.prepared(preexec=self.preexec)

    @staticmethod
    def folder_frame(a, path, mode='755'):
        a.send('ENTRY', [('kind', 'dir'), ('path', path), ('mode', mode), ('mtime', 1)])

    @staticmethod
    def file_frames(a, path, data=b'', mode='644', mtime=1600000000):
        a.send('ENTRY', [('kind', 'file'), ('path', path), ('mode', mode), ('mtime', mtime)])
        for at in range(0, len(data), DATA_MAX):
            a.send('DATA', raw=data[at:at + DATA_MAX])
        a.send('ENTRY_END')

    def test_a_tree(self):
        a = self.seeding()
        big = os.urandom(700000)
        self.folder_frame(a, 'd', '700')
        self.folder_frame(a, 'd/e')
        self.file_frames(a, 'd/e/big', big)
        self.file_frames(a, 'd/e/script', b'#!/bin/sh\necho hi\n', '4755')
        self.file_frames(a, 'empty', mode='600')
        self.file_frames(a, 'd/last', b'1')
        a.send('ENTRIES_END')
        a.expect('SEEDED')
        self.assertEqual(a.run('d/e/script')[1], b'hi\n')
        with open(self.path('d', 'e', 'big'), 'rb') as f:
            self.assertTrue(f.read() == big)
        script = os.stat(self.path('d', 'e', 'script'))
        self.assertEqual((stat.S_IMODE(script.st_mode), script.st_mtime), (0o755, 1600000000))
        self.assertEqual(stat.S_IMODE(os.stat(self.path('d')).st_mode), 0o700)
        self.assertEqual(os.stat(self.path('empty')).st_size, 0)

    def test_start_need_not_wait_for_the_answer(self):
        a = self.seeding()
        self.file_frames(a, 'f', b'content')
        a.send('ENTRIES_END')
        a.start('cat', 'f')
        a.expect('SEEDED')
        a.expect('RUNNING')
        self.assertEqual(a.collect()[1], b'content')

    def test_hostile_paths(self):
        for path in ('../x', '/abs', 'a//b', 'a/../b', '.', '', 'a/', './a', 'x' * 256):
            with self.subTest(path=path):
                a = self.seeding()
                a.send('ENTRY', [('kind', 'file'), ('path', path), ('mode', '644'), ('mtime', 1)])
                self.assert_failed(a, 'seed', 'path traversal')
                self.assertEqual(os.listdir(self.workdir), [])
                self.assertEqual(os.listdir(self.folder), ['app'])

    def test_symlinks_of_the_image_are_replaced_not_followed(self):
        os.makedirs(self.workdir)
        victim = os.path.join(self.folder, 'victim')
        with open(victim, 'w') as f:
            f.write('untouched')
        os.symlink(victim, self.path('link'))
        a = self.seeding()
        self.file_frames(a, 'link', b'new')
        a.send('ENTRIES_END')
        a.expect('SEEDED')
        self.assertFalse(os.path.islink(self.path('link')))
        for path, content in ((self.path('link'), 'new'), (victim, 'untouched')):
            with open(path) as f:
                self.assertEqual(f.read(), content)

    def test_symlinks_of_the_image_lead_nowhere(self):
        outside = os.path.join(self.folder, 'outside')
        os.makedirs(outside)
        os.makedirs(self.workdir)
        os.symlink(outside, self.path('out'))
        for frames in (lambda a: self.file_frames(a, 'out/f', b'x'),
                       lambda a: self.folder_frame(a, 'out/d'),
                       lambda a: self.folder_frame(a, 'out')):
            a = self.seeding()
            try:
                frames(a)
            except BrokenPipeError:
                pass
            self.assert_failed(a, 'seed', "'out")
            self.assertEqual(os.listdir(outside), [])

    def test_what_is_there_already(self):
        os.makedirs(self.path('kept'))
        os.chmod(self.path('kept'), 0o711)
        for name in ('kept/old', 'replaced'):
            with open(self.path(name), 'w') as f:
                f.write('old and long')
        a = self.seeding()
        self.folder_frame(a, 'kept')
        self.file_frames(a, 'kept/new', b'n')
        self.file_frames(a, 'replaced', b'short')
        a.send('ENTRIES_END')
        a.expect('SEEDED')
        self.assertEqual(sorted(os.listdir(self.path('kept'))), ['new', 'old'])
        self.assertEqual(stat.S_IMODE(os.stat(self.path('kept')).st_mode), 0o711)
        with open(self.path('replaced')) as f:
            self.assertEqual(f.read(), 'short')

    def test_a_file_in_the_way_of_a_folder(self):
        os.makedirs(self.workdir)
        open(self.path('f'), 'w').close()
        a = self.seeding()
        self.folder_frame(a, 'f')
        self.assert_failed(a, 'seed', "'f'")

    def test_a_folder_in_the_way_of_a_file(self):
        os.makedirs(self.path('d'))
        a = self.seeding()
        a.send('ENTRY', [('kind', 'file'), ('path', 'd'), ('mode', '644'), ('mtime', 1)])
        self.assert_failed(a, 'seed', "'d'")

    def test_a_parent_that_was_not_sent(self):
        a = self.seeding()
        a.send('ENTRY', [('kind', 'file'), ('path', 'no/such/f'), ('mode', '644'), ('mtime', 1)])
        self.assert_failed(a, 'seed', "'no/such'", 'No such file')

    def test_a_file_that_did_not_come_whole(self):
        a = self.seeding()
        a.send('ENTRY', [('kind', 'file'), ('path', 'f'), ('mode', '644'), ('mtime', 1)])
        a.send('ENTRY_END', [('error', 'disk on fire')])
        self.assert_failed(a, 'seed', "'f'", 'disk on fire')

    def test_a_full_disk_names_the_file(self):
        if os.geteuid() != 0 or not shutil.which('unshare'):
            self.skipTest('needs root and unshare(1)')
        os.makedirs(self.workdir)
        script = 'mount -t tmpfs -o size=64k none "$0" && cd / && exec "$1"'
        a = self.prepared(prefix=('unshare', '--mount', 'sh', '-c', script, self.workdir),
                          preexec=self.preexec)
        self.folder_frame(a, 'd')
        try:
            self.file_frames(a, 'd/too-big', bytes(1 << 20))
        except BrokenPipeError:
            pass
        self.assert_failed(a, 'seed', "'d/too-big'", 'No space left on device')

    @staticmethod
    def link_frame(a, path, target):
        a.send('ENTRY', [('kind', 'link'), ('path', path), ('mode', '777'), ('mtime', 1600000000), ('target', target)])

    def test_links_are_made_and_never_followed(self):
        outside = os.path.join(self.folder, 'outside')
        os.makedirs(outside)
        os.makedirs(self.workdir)
        open(self.path('taken'), 'w').close()
        a = self.seeding()
        self.link_frame(a, 'taken', 'f')
        self.link_frame(a, 'out', '../outside')
        self.file_frames(a, 'f', b'text')
        a.send('ENTRY', [('kind', 'file'), ('path', 'out/planted'), ('mode', '644'), ('mtime', 1)])
        self.assert_failed(a, 'seed', "'out'")
        self.assertEqual(os.readlink(self.path('taken')), 'f')
        self.assertEqual(os.lstat(self.path('taken')).st_mtime, 1600000000)
        self.assertEqual(os.listdir(outside), [])

    def test_a_link_without_a_target(self):
        a = self.seeding()
        a.send('ENTRY', [('kind', 'link'), ('path', 'f'), ('mode', '777'), ('mtime', 1)])
        self.assert_failed(a, 'protocol', status=1)

    def test_kinds_that_are_never_made(self):
        a = self.seeding()
        a.send('ENTRY', [('kind', 'symlink'), ('path', 'f'), ('mode', '644'), ('mtime', 1)])
        self.assert_failed(a, 'seed')
        self.assertEqual(os.listdir(self.workdir), [])


class SeedWithoutOpenat2(Seed):
    preexec = staticmethod(without_openat2)

    def test_the_filter_works(self):
        # Otherwise this class would test the same as its parent.
        libc = 'import ctypes; l = ctypes.CDLL(None, use_errno=True); ' \
               'print(l.syscall(437, -100, b"/", 0, 0), ctypes.get_errno())'
        out = self.seeding().run('/usr/bin/python3', '-c', libc)[1]
        self.assertEqual(out, b'-1 38\n')


class Extract(AgentTest):
    def test_a_tree(self):
        a = self.exited('mkdir -p out/sub/deep; printf one > out/a; printf two > out/sub/b; '
                        'head -c 300000 /dev/zero > out/sub/deep/big; chmod 750 out/sub; '
                        'chmod 4755 out/a; ln -s /etc/passwd out/link; ln -s / out/sub/root; '
                        'mkfifo out/fifo; ln -s ../a out/sub/c')
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(self.path('out', 'socket'))
        begin, entries, modes, order, end = a.extract(self.path('out'))
        self.assertEqual(end, {'status': 'ok'})
        self.assertEqual(entries, {'a': b'one', 'sub': None, 'sub/b': b'two', 'sub/deep': None,
                                   'sub/deep/big': bytes(300000)})
        self.assertEqual((modes['a'], modes['sub']), (0o755, 0o750))
        self.assertLess(order.index('sub/deep'), order.index('sub/deep/big'))
        self.assertLess(order.index('sub'), order.index('sub/b'))
        self.assertEqual(begin, {'status': 'ok', 'kind': 'dir',
                                 'bytes': str(5 * 512 + 512 + 512 + 300032)})

    def test_a_file(self):
        a = self.exited('printf content > f; chmod 640 f')
        begin, entries, modes, _, end = a.extract(self.path('f'))
        self.assertEqual(begin, {'status': 'ok', 'kind': 'file', 'bytes': '1024'})
        self.assertEqual((entries, modes, end), ({'f': b'content'}, {'f': 0o640}, {'status': 'ok'}))

    def test_an_empty_folder_and_an_empty_file(self):
        a = self.exited('mkdir d; : > f')
        begin, entries, _, _, end = a.extract(self.path('d'))
        self.assertEqual((begin['bytes'], entries, end), ('0', {}, {'status': 'ok'}))
        begin, entries, _, _, end = a.extract(self.path('f'))
        self.assertEqual((begin['bytes'], entries, end), ('512', {'f': b''}, {'status': 'ok'}))

    def test_one_after_the_other_and_sent_ahead(self):
        a = self.exited('echo 1 > a; echo 2 > b')
        for name in ('a', 'b'):
            a.send('EXTRACT', [('path', self.path(name)), ('max', 4096)])
        for name in ('a', 'b'):
            kinds = [a.receive()[0] for _ in range(5)]
            self.assertEqual(kinds, ['EXTRACT_BEGIN', 'ENTRY', 'DATA', 'ENTRY_END', 'EXTRACT_END'])

    def test_missing(self):
        a = self.exited(': > f')
        for path in (self.path('no'), self.path('no', 'such'), self.path('f', 'below')):
            self.assertEqual(a.extract(path)[0], {'status': 'missing'})

    def test_what_is_no_file_is_refused(self):
        a = self.exited('ln -s /etc/passwd link; ln -s /etc folder-link; mkfifo fifo')
        for path, text in ((self.path('link'), 'is a symbolic link'),
                           (self.path('folder-link'), 'is a symbolic link'),
                           (self.path('fifo'), 'is a fifo'), ('/dev/zero', 'is a device'),
                           ('/proc/self/status', "kernel's own file systems"),
                           ('/sys', "kernel's own file systems")):
            begin = a.extract(path)[0]
            self.assertEqual(begin['status'], 'error')
            self.assertIn(text, begin['reason'])

    def test_the_limit(self):
        a = self.exited('mkdir d; head -c 1000 /dev/zero > d/f; truncate -s 4T sparse')
        self.assertEqual(a.extract(self.path('d'), 1536)[4], {'status': 'ok'})
        for path, limit in ((self.path('d'), 1535), (self.path('d', 'f'), 1535),
                            (self.path('d'), 0), (self.path('sparse'), 1 << 30)):
            self.assertEqual(a.extract(path, limit)[0], {
                'status': 'error', 'reason': f'over the limit of {limit} bytes'})

    def test_a_huge_limit_does_not_overflow(self):
        a = self.exited('echo x > f')
        self.assertEqual(a.extract(self.path('f'), (1 << 64) - 1)[4], {'status': 'ok'})

    def test_a_deep_tree(self):
        a = self.exited('i=0; while [ $i -lt 500 ]; do mkdir d; cd -P d; i=$((i+1)); done; echo x > f')
        begin, entries, _, _, end = a.extract(self.workdir)
        self.assertEqual((begin['bytes'], end), (str(502 * 512), {'status': 'ok'}))
        self.assertEqual(entries['/'.join(['d'] * 500 + ['f'])], b'x\n')

    def test_a_tree_that_is_too_deep(self):
        a = self.exited()
        self.addCleanup(subprocess.run, ['rm', '-rf', self.path('d')], check=True)
        fd = os.open(self.workdir, os.O_RDONLY)
        for _ in range(3000):  # deeper than any path can be written, too
            os.mkdir('d', dir_fd=fd)
            deeper = os.open('d', os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = deeper
        os.close(fd)
        begin = a.extract(self.workdir)[0]
        self.assertEqual(begin['status'], 'error')
        self.assertIn('levels deep', begin['reason'])
        self.assertEqual(a.extract(self.path('no'))[0], {'status': 'missing'})

    def test_a_path_that_is_too_long(self):
        name = 'n' * 250
        a = self.exited(f'i=0; while [ $i -lt 20 ]; do mkdir {name}; cd -P {name}; i=$((i+1)); done')
        self.addCleanup(subprocess.run, ['rm', '-rf', self.path(name)], check=True)
        begin = a.extract(self.workdir)[0]
        self.assertEqual(begin['status'], 'error')
        self.assertIn('is longer than 4095 bytes', begin['reason'])

    def test_odd_names(self):
        a = self.exited("mkdir d; printf 1 > 'd/a=b'; printf 2 > \"d/new\nline\"; printf 3 > 'd/ '; "
                        "printf 4 > \"d/$(printf '\\377')\"")
        entries = a.extract(self.path('d'))[1]
        self.assertEqual(entries, {'a=b': b'1', 'new\nline': b'2', ' ': b'3', '\udcff': b'4'})

    def test_many_files(self):
        a = self.exited('mkdir d; cd d; i=0; while [ $i -lt 5000 ]; do : > f$i; i=$((i+1)); done')
        begin, entries, _, _, end = a.extract(self.path('d'))
        self.assertEqual((begin['bytes'], len(entries), end['status']), (str(5000 * 512), 5000, 'ok'))

    def test_a_large_file_is_streamed(self):
        a = self.exited('head -c 100000000 /dev/urandom > big')
        a.send('EXTRACT', [('path', self.path('big')), ('max', 1 << 30)])
        a.expect('EXTRACT_BEGIN')
        time.sleep(0.3)
        with open(f'/proc/{a.process.pid}/statm') as f:
            resident = int(f.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')
        self.assertLess(resident, 8 << 20)
        a.expect('ENTRY')
        with open(self.path('big'), 'rb') as f:
            while True:
                name, value = a.receive()
                if name != 'DATA':
                    break
                self.assertTrue(f.read(len(value)) == value)
            self.assertEqual((name, f.read(1)), ('ENTRY_END', b''))
        self.assertEqual(a.expect('EXTRACT_END'), {'status': 'ok'})

    def test_a_file_that_grows_is_cut_at_the_size_that_was_seen(self):
        a = self.exited('head -c 20000000 /dev/zero > f')
        a.send('EXTRACT', [('path', self.path('f')), ('max', 1 << 30)])
        begin = a.expect('EXTRACT_BEGIN')
        with open(self.path('f'), 'ab') as f:
            f.write(bytes(5000000))
        a.expect('ENTRY')
        total = 0
        while True:
            name, value = a.receive()
            if name != 'DATA':
                break
            total += len(value)
        self.assertEqual((name, total), ('ENTRY_END', 20000000))
        self.assertGreaterEqual(int(begin['bytes']), total)


class Image(AgentTest):
    """What depends on the image: a chroot with busybox and no /dev, /proc or libc."""

    PASSWD = ('root:x:0:0:root:/root:/bin/sh\n#comment\nbroken\nbad:x:-1:5::/:\n'
              'app:x:1000:1001:App:/home/app:/bin/sh\nlonely:x:1002:1002::relative:/bin/sh\n'
              '12:x:77:78::/:/bin/sh\n')
    GROUP = 'root:x:0:root\nshort:x\napp:x:1001:\nmedia:x:2000:other,app\ntools:x:2001:app\n'

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0 or not BUSYBOX:
            self.skipTest('needs root and a static busybox')
        self.root = os.path.join(self.folder, 'root')
        for name in ('bin', 'etc', 'lib'):
            os.makedirs(os.path.join(self.root, name))
        shutil.copy(AGENT, os.path.join(self.root, 'agent'))
        shutil.copy(BUSYBOX, os.path.join(self.root, 'bin', 'busybox'))
        for applet in ('sh', 'id', 'env', 'stat', 'cat', 'pwd'):
            os.symlink('busybox', os.path.join(self.root, 'bin', applet))
        for name, text in (('passwd', self.PASSWD), ('group', self.GROUP)):
            with open(os.path.join(self.root, 'etc', name), 'w') as f:
                f.write(text)
        if subprocess.run(['chroot', self.root, '/bin/sh', '-c', 'true']).returncode:
            self.skipTest('busybox is not static')

    def identity(self, user, script='id -u; id -g; id -G; echo $HOME', workdir='/srv/app'):
        a = self.agent(root=self.root)
        a.prepare(workdir, user)
        end, out, err, _ = a.run('sh', '-c', script, env=())
        self.assertEqual(end['code'], '0', err)
        return out.decode().splitlines()

    def test_users(self):
        for user, wanted in {
                'app': ['1000', '1001', '1001 2000 2001', '/home/app'],
                '1000': ['1000', '1001', '1001 2000 2001', '/home/app'],
                'app:media': ['1000', '2000', '2000', '/home/app'],
                '1000:2001': ['1000', '2001', '2001', '/home/app'],
                '4242': ['4242', '0', '0', '/'],
                '4242:4343': ['4242', '4343', '4343', '/'],
                'lonely': ['1002', '1002', '1002', '/'],
                '12': ['77', '78', '78', '/'],
        }.items():
            with self.subTest(user=user):
                self.assertEqual(self.identity(user), wanted)

    def test_root(self):
        for user in ('', 'root', '0'):
            with self.subTest(user=user):
                out = self.identity(user, 'id -u; id -g; echo $HOME')
                self.assertEqual(out, ['0', '0', '/root'])

    def test_unknown_users(self):
        for user, text in (('nobody-here', "no user 'nobody-here'"), ('app:no', "no group 'no'"),
                           ('bad', "no user 'bad'"), ('-1', "no user '-1'"),
                           ('4294967295', 'no user'), ('x' * 300, 'too long')):
            with self.subTest(user=user):
                a = self.agent(root=self.root)
                a.prepare('/srv/app', user)
                self.assert_failed(a, 'prepare', text)

    def test_no_passwd(self):
        os.unlink(os.path.join(self.root, 'etc', 'passwd'))
        self.assertEqual(self.identity('')[0], '0')
        self.assertEqual(self.identity('5:6')[:2], ['5', '6'])

    def test_hostile_passwd(self):
        passwd = os.path.join(self.root, 'etc', 'passwd')
        os.unlink(passwd)
        os.mkfifo(passwd)
        # Not id(1), which would wait for that fifo.
        show = ': > f; stat -c %u f'
        self.assertEqual(self.identity('5', show, '/srv/5'), ['5'])
        os.unlink(passwd)
        with open(passwd, 'wb') as f:
            f.write(b'app:x:1:1::/:' + b'\0\n' + b':' * 100000 + b'\n' + b'\xff' * 1000)
        self.assertEqual(self.identity('6', show, '/srv/6'), ['6'])
        with open(passwd, 'wb') as f:
            f.truncate(1 << 40)
        self.assertEqual(self.identity('7', show, '/srv/7'), ['7'])

    def test_the_working_directory_is_made_for_its_user(self):
        self.assertEqual(self.identity('app', 'pwd; stat -c %u:%g:%a . ..'),
                         ['/srv/app', '1000:1001:755', '0:0:755'])

    def test_a_working_directory_that_is_there_is_given_to_its_user(self):
        folder = os.path.join(self.root, 'srv', 'app')
        os.makedirs(folder)
        for owner, mode, seen in ((0, 0), 0o2755, '1000:0:2755'), ((5, 6), 0o777, '5:6:777'), ((5, 1001), 0o575, '5:1001:575'), \
                                 ((1000, 6), 0o577, '1000:6:777'), ((5, 1001), 0o757, '1000:1001:757'):
            os.chown(folder, *owner)
            os.chmod(folder, mode)
            self.assertEqual(self.identity('app', 'stat -c %u:%g:%a .'), [seen])
        self.assertEqual(self.identity('', 'stat -c %u:%g:%a .'), ['1000:1001:757'])
        self.assertEqual(self.identity('app', 'stat -c %u .', workdir='/'), ['0'])

    def test_working_directories_that_cannot_be(self):
        os.symlink('loop/x', os.path.join(self.root, 'loop'))
        os.symlink('bin/busybox/x', os.path.join(self.root, 'below'))
        for workdir in ('relative', '/bin/busybox', '/bin/sh/x', '/a/../b', '/loop', '/loop/y', '/below', ''):
            with self.subTest(workdir=workdir):
                a = self.agent(root=self.root)
                a.prepare(workdir)
                self.assert_failed(a, 'prepare')

    def test_seeded_files_belong_to_the_user(self):
        a = self.agent(root=self.root)
        a.prepare('/srv/app', 'app')
        Seed.folder_frame(a, 'd')
        Seed.file_frames(a, 'd/f', b'x')
        a.send('ENTRIES_END')
        a.expect('SEEDED')
        out = a.run('sh', '-c', 'stat -c %u:%g d d/f; echo y > d/f; echo z > d/g; cat d/f', env=())[1]
        self.assertEqual(out, b'1000:1001\n1000:1001\ny\n')

    def test_works_without_dev_null(self):
        # Nothing of the agent's own streams is the command's.
        self.assertFalse(os.path.exists(os.path.join(self.root, 'dev')))
        self.assertEqual(self.identity('', 'echo one; echo two'), ['one', 'two'])


if __name__ == '__main__':
    main()
