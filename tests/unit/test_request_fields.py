# SPDX-License-Identifier: MIT
"""Each field of a request is the same in the parser, the schema, the flags of `light-runner run`, its help and its man page.

The flags come from their table ($RUN_FLAGS), the parser's fields from the hint of its error ($REQUEST_VERDICTS).
"""
import json
import os
import re
import subprocess
import unittest

ROOT = os.path.join(os.path.dirname(__file__), '..', '..')
RUN_FLAGS = os.environ.get('RUN_FLAGS')
VERDICTS = os.environ.get('REQUEST_VERDICTS')

# Fields without a flag of that name, with the reason.
NO_FLAG = {'image': 'the first argument', 'entrypoint': 'the arguments after it', 'options': 'each of them has a flag',
           'command': 'older name of entrypoint', 'network': 'older name of networks',
           'options.noNewPrivileges': 'weakens a run: only a request can'}
# Flags that set no field.
NO_FIELD = {'request', 'json', 'timing', 'help', 'interactive'}
# A good value for each flag, and what it is in the document. Flags with choices are given each of them.
GOOD = {'memory': ('64m', '64m'), 'cpus': ('0.5', '0.5'), 'pids': ('7', 7), 'disk': ('2g', '2g'), 'timeout': ('3s', 3000), 'cpu-timeout': ('2m', 120000),
        'dns': ('192.0.2.1', ['192.0.2.1']), 'env': ('A=1', ['A=1']), 'workdir': ('/x', '/x'), 'dir': ('x', 'x'), 'ignore': ('x', ['x']),
        'no-ignore': (None, []), 'input-json': ('[1]', '[1]'), 'setup': ('true', ['true']), 'extract': ('a:b', [{'from': 'a', 'to': 'b'}]),
        'max-extract': ('2k', 2048), 'max-log': ('3k', 3072), 'detach': (None, True), 'tty': (None, True)}
# Elsewhere than in the request: opened by the command line; and the words after the image.
APART = {'input', 'argv'}
# Values of a field that a shell does not offer: another name of kata, and what "none" is the other of.
NOT_OFFERED = {'io.containerd.kata.v2', 'light-runner-isolated'}


def at(document, field):
    for name in field.split('.'):
        document = document[name]
    return document


def readable(field, value):
    """A default as the help and the man page write it."""
    if field == 'timeout':
        return '20m' if value == 20 * 60000 else f'{value} ms'
    if field.endswith('Bytes'):
        unit = next(u for u in (30, 20, 10, 0) if value % (1 << u) == 0)
        return f'{value >> unit}{ {30: "g", 20: "m", 10: "k", 0: ""}[unit]}'
    return str(value)


@unittest.skipUnless(RUN_FLAGS and VERDICTS, 'needs $RUN_FLAGS and $REQUEST_VERDICTS')
class RequestFields(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(ROOT, 'docs', 'request.schema.json'), encoding='utf-8') as file:
            schema = json.load(file)['properties']
        cls.schema = {**schema, **{f'options.{name}': field for name, field in schema['options']['properties'].items()}}
        with open(os.path.join(ROOT, 'man', 'light-runner-run.1'), encoding='utf-8') as file:
            text = file.read()
        cls.man = {match.group(1): match.group(2) for match in re.finditer(r'^\.It Fl Fl ([a-z-]+)(.*?)(?=^\.It |^\.El)', text, re.M | re.S)}
        done = subprocess.run([RUN_FLAGS], stdout=subprocess.PIPE, check=True, timeout=30)
        cls.flags = {flag['name']: flag for flag in json.loads(done.stdout)}
        options = set(schema['options']['properties'])
        for flag in cls.flags.values():
            flag['path'] = f'options.{flag["field"]}' if flag['field'] in options else flag['field']

    def document(self, *argv):
        done = subprocess.run([RUN_FLAGS, *argv, 'image'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
        self.assertEqual((done.returncode, done.stderr), (0, b''), argv)
        return json.loads(done.stdout)

    def known(self, document):
        """The fields that the parser names when one is unknown."""
        done = subprocess.run([VERDICTS], input=json.dumps(document).encode() + b'\n', stdout=subprocess.PIPE, check=True, timeout=30)
        return done.stdout.decode().strip().partition('known here: ')[2].rstrip(')').split(', ')

    def test_the_parser_and_the_schema(self):
        fields = self.known({'image': 'i', 'unknown': 1})
        fields += [f'options.{name}' for name in self.known({'image': 'i', 'options': {'unknown': 1}})]
        self.assertEqual(sorted(fields), sorted(self.schema))

    def test_every_field_has_a_flag_and_every_flag_a_field(self):
        flagged = {flag['path'] for flag in self.flags.values() if flag['path']}
        self.assertEqual(flagged | set(NO_FLAG), set(self.schema))
        self.assertFalse(flagged & set(NO_FLAG))
        self.assertEqual({name for name, flag in self.flags.items() if not flag['path']}, NO_FIELD)

    def test_a_flag_sets_its_field(self):
        for name, flag in self.flags.items():
            if not flag['path'] or name in APART:
                continue
            values = [GOOD[name]] if name in GOOD else [(word, word) for word in flag['choices'].split()]
            for given, expected in values:
                with self.subTest(flag=name, value=given):
                    document = self.document(f'--{name}', *([given] if given is not None else []))
                    found = at(document, flag['path'])
                    self.assertEqual(found, [expected] if isinstance(found, list) and isinstance(expected, str) else expected)
                    self.assertEqual(set(document), {'image', flag['path'].split('.')[0]})

    def test_the_argument_is_the_image(self):
        self.assertEqual(self.document('--'), {'image': 'image'})

    def test_the_shell_offers_the_values_of_the_schema(self):
        enumerations = 0
        for name, flag in self.flags.items():
            field = self.schema.get(flag['path'], {})
            values = field.get('enum') or field.get('items', {}).get('enum')
            if not values:
                continue
            enumerations += 1
            offered = set((flag['choices'] or '').split())
            with self.subTest(flag=name):
                self.assertEqual(offered, set(values) - NOT_OFFERED)
                text = self.man[name]
                if self.flags[name]['value'] != 'TIER':
                    self.assertFalse({value for value in offered if not re.search(rf'\b{value}\b', text)})
                    self.assertFalse({value for value in offered if not re.search(rf'\b{value}\b', flag['help'])})
        self.assertGreaterEqual(enumerations, 9)

    def test_the_man_page_describes_every_flag(self):
        self.assertEqual(set(self.man) - {'help'}, set(self.flags) - {'help'})

    def test_defaults(self):
        """Where the help names a default, it is the schema's, and the man page names it too."""
        named = 0
        for name, flag in self.flags.items():
            field = self.schema.get(flag['path'], {})
            default = re.search(r'\(default (\S+?)[;)]|(\S+) \(default\)', flag['help'])
            if not default:
                continue
            named += 1
            with self.subTest(flag=name):
                word = default.group(1) or default.group(2)
                self.assertEqual(word, readable(flag['path'], field['default']))
                text = self.man[name]
                self.assertRegex(text, rf'\b{re.escape(word.lstrip("/"))}\b' if name != 'timeout' else '20 minutes')
        self.assertGreaterEqual(named, 12)


if __name__ == '__main__':
    unittest.main()
