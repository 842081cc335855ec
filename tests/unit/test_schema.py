# SPDX-License-Identifier: MIT
"""docs/request.schema.json takes what light-runner takes, and nothing else.

Documents are made of values that are odd in some way, for each field, for pairs of fields and at random. Of each the
schema's verdict is compared with that of the parser ($REQUEST_VERDICTS). What JSON Schema cannot say, the schema's
descriptions say: sums over several strings, and lengths in bytes.
"""

import itertools
import json
import os
import random
import re
import subprocess
import unittest

try:
    import jsonschema
except ImportError:
    jsonschema = None

SCHEMA = os.path.join(os.path.dirname(__file__), '..', '..', 'docs', 'request.schema.json')
VERDICTS = os.environ.get('REQUEST_VERDICTS')
# Also NOT_SUPPORTED: a request that is well-formed, and that this version does not carry out.
TAKEN = ('ok', 'NOT_SUPPORTED')

STRINGS = ['', 'x', 'a b', 'a\nb', 'x\n', 'a\0b', '\0', '-x', '.', '..', '.x', '_x', 'a/b', '/', '/a', '/a/../b', '/a/..b', '/..', '\x7f',
           'ü', 'A=1', '=', 'none', 'host', 'light-runner-isolated', 'runc', 'runsc', 'kata', 'io.containerd.kata.v2', 'auto', 'local',
           'docker', 'any', 'kvm', 'memory', 'cpus', 'pids', 'metadata', 'skip', 'inside', 'success', 'always', 'all', 'device=0',
           '0,1', 'a;b', 'a' * 255, 'a' * 256, 'a' * 257, '/' + 'a' * 4094, 'a' * 4095, 'a' * 4096, 'a' * 4097, 'a' * 131071, 'a' * 131072]
SIZES = ['6m', '5m', '6M', '006m', '0006144k', '6143k', '6144K', '6291455', '6291456', '06291456', '1m', '1023k', '1024k', '1048575',
         '1048576', '0', '0g', '1g', '1G', '1t', '-1m', '+6m', ' 6m', '6m ', '6 m', '1.5g', '6mb', 'm', '512m\n', '00', '9' * 9 + 'g',
         '1' + '0' * 9 + 'g', '9' * 12 + 'm', '1' + '0' * 12 + 'm', '9' * 15 + 'k', '1' + '0' * 15 + 'k', '9' * 18, '1' + '0' * 18,
         '9223372036854775807', '9223372036854775808', '9' * 30]
CPUS = ['1', '0.5', '0', '0.0', '0.000', '00', '01', '1.', '.5', '-1', '+1', '1e3', '1E-1', '1e300', 'nan', 'inf', '0x1', ' 1', '1 ', '1\n', '65536',
        '65536.0', '65536.5', '65537', '65535.999', '70000', '99999', '100000', '0.000001', '0.0000001', '60000', '1,5']
SERVERS = ['192.0.2.1', '127.0.0.1', '0.0.0.0', '223.255.255.255', '224.0.0.1', '255.255.255.255', '1.2.3', '1.2.3.256', '01.2.3.4', '1.2.3.4 ',
           '2001:db8::1', '::1', '::', 'fe80::1', 'FF02::1', '::ffff:192.0.2.1', ':::', '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8:9', 'fe80::1%eth0']
NUMBERS = [0, 1, -1, 1.0, 1.5, 1000.0, -0.0, 0.5, 1e-9, 1e3, 1e30, 65536, 65537, 65536.0, 32768, 32769, 315360000000, 315360000001, 2**53, 2**63 - 1,
           2**63, 1e18, 9.3e18, 100000000000000000000]
OTHERS = [None, True, False, {}, [], {'A': '1'}, {'A': 1}, {'': 'x', '1A': 'y'}, {'A': 'a\0b'}, {'a\0b': 'x'}, [None], [1], ['x', 1], [['x']], [{}],
          [{'from': 'a', 'to': 'b'}], [{'from': '', 'to': ''}], [{'from': 'a'}], [{'from': 'a', 'to': 'b', 'x': 1}], [{'from': 1, 'to': 'b'}],
          [{'from': 'a\0', 'to': 'b'}], ['none', 'x'], ['x', 'none'], ['none', 'none'], ['memory', 'cpus', 'pids'], ['host', 'metadata'],
          ['x', 'y'], ['x', ''], ['', 'x'], ['A=1', 'B'], ['192.0.2.1'] * 3, ['192.0.2.1'] * 4, ['x'] * 64, ['x'] * 65, ['x'] * 1024, ['x'] * 1025,
          [{'from': 'a', 'to': 'b'}] * 1024, [{'from': 'a', 'to': 'b'}] * 1025]
VALUES = STRINGS + SIZES + CPUS + SERVERS + NUMBERS + OTHERS + [[s] for s in STRINGS + SERVERS]

# One or two good values for each field, for what fields mean to each other.
GOOD = {'entrypoint': ['x', ''], 'command': ['x'], 'argv': [['x']], 'run': [['x'], []], 'dir': ['x'], 'ignore': [['x']], 'links': ['inside'],
        'input': [1, None], 'timeout': [5], 'cpuTimeout': [5], 'networks': ['none', ['none'], ['x'], []], 'network': ['x', 'none', ['none']],
        'dns': [['192.0.2.1'], []], 'env': [{'A': '1'}, ['A=1']], 'workdir': ['/x'], 'extract': [[]], 'extractWhen': ['always'],
        'detached': [True, False], 'tty': [True, False, {'rows': 24, 'columns': 80}, {}], 'options': [{}, {'runtime': 'kata'}, {'runtime': 'runsc', 'setupRuntime': 'runc'}]}


def ecma_pattern(_validator, pattern, instance, _schema):
    """`$` is the very end in JSON Schema; in Python's expressions it is before a last line feed as well."""
    if isinstance(instance, str) and not re.search(pattern.replace('$', '\\Z'), instance):
        yield jsonschema.ValidationError(f'{instance!r} does not match {pattern!r}')


def short(document):
    text = json.dumps(document)
    return text if len(text) < 300 else f'{text[:150]}...{text[-100:]}'


@unittest.skipUnless(jsonschema and VERDICTS, 'needs python3-jsonschema and $REQUEST_VERDICTS')
class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(SCHEMA, encoding='utf-8') as file:
            cls.schema = json.load(file)
        jsonschema.Draft202012Validator.check_schema(cls.schema)
        known = jsonschema.validators.extend(jsonschema.Draft202012Validator, {'pattern': ecma_pattern})
        cls.validator = known(cls.schema, format_checker=jsonschema.FormatChecker(formats=['ipv6']))

    def compare(self, documents):
        lines = [json.dumps(d).encode() for d in documents]
        done = subprocess.run([VERDICTS], input=b'\n'.join(lines) + b'\n', stdout=subprocess.PIPE, check=True, timeout=120)
        verdicts = done.stdout.decode().splitlines()
        self.assertEqual(len(verdicts), len(documents))
        wrong = []
        for document, verdict in zip(documents, verdicts):
            valid = self.validator.is_valid(document)
            if valid != verdict.startswith(TAKEN):
                wrong.append(f'{"valid" if valid else "invalid"} by the schema; the parser: {verdict[:120]}: {short(document)}')
        self.assertFalse(wrong, f'{len(wrong)} of {len(documents)}:\n' + '\n'.join(wrong[:200]))

    def fields(self):
        options = self.schema['properties']['options']['properties']
        return sorted(set(self.schema['properties']) - {'image', 'options'}), sorted(options)

    def test_every_value_in_every_field(self):
        fields, options = self.fields()
        documents = [{'image': value} for value in VALUES] + [{'image': 'i', 'options': value} for value in VALUES]
        documents += [{'image': 'i', f: value} for f in fields + ['unknown'] for value in VALUES]
        documents += [{'image': 'i', 'options': {o: value}} for o in options + ['unknown'] for value in VALUES]
        documents += [{'image': 'i', f: ['', {}, s][:n] + [s]} for f in ('argv', 'run', 'ignore') for n in (0, 3) for s in STRINGS]
        documents += VALUES
        self.compare(documents)

    def test_pairs_of_fields(self):
        self.assertEqual(sorted(GOOD), sorted(set(self.schema['properties']) - {'image'}))
        pairs = itertools.combinations(sorted(GOOD), 2)
        self.compare([{'image': 'i', a: x, b: y} for a, b in pairs for x in GOOD[a] for y in GOOD[b]])

    def test_fields_at_random(self):
        fields, options = self.fields()
        chance = random.Random(1)
        documents = []
        for _ in range(2000):
            chosen = {f: chance.choice(GOOD[f]) for f in chance.sample(fields, chance.randrange(6))}
            odd = {f: chance.choice(VALUES) for f in chance.sample(fields, chance.randrange(2))}
            some = {o: chance.choice(VALUES) for o in chance.sample(options, chance.randrange(3))}
            documents.append({'image': 'i', **chosen, **odd, **({'options': some} if some else {})})
        self.compare(documents)


if __name__ == '__main__':
    unittest.main()
