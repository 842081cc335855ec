#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""No layer exists twice in a process: the engine's module contains none, and the programs that load it export what it needs."""
import os
import re
import subprocess
import unittest

MODULE = os.environ["MODULE"]
PROGRAMS = os.environ["PROGRAMS"].split(":")
LAYERS = os.environ["LAYERS"].split(":")


def symbols(path, *flags):
    text = subprocess.run(["nm", *flags, path], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1].split("@")[0] for line in text.splitlines() if len(line.split()) > 1}


def of_layers():
    found = set().union(*(symbols(layer, "--defined-only", "--extern-only") for layer in LAYERS))
    return {name for name in found if not name.startswith("__")}


class Module(unittest.TestCase):
    def test_it_contains_no_layer(self):
        defined = symbols(MODULE, "--defined-only")
        self.assertIn("docker_image_find", defined, "the module has its symbols")
        self.assertIn("error_set", of_layers())
        self.assertEqual(sorted(defined & of_layers()), [])

    def test_the_programs_export_what_it_needs_and_no_more(self):
        needed = symbols(MODULE, "--dynamic", "--undefined-only") & of_layers()
        self.assertGreater(len(needed), 20)
        for program in PROGRAMS:
            exported = symbols(program, "--dynamic", "--defined-only") & of_layers()
            self.assertEqual(sorted(needed - exported), [], program)
            # All of jansson is exported, by a pattern.
            self.assertEqual([name for name in sorted(exported - needed) if not name.startswith("json")], [], program)

    def test_no_library_of_the_module_has_a_symbol_of_that_name(self):
        """A program's symbol comes before that of a library, which would then call ours."""
        needed = symbols(MODULE, "--dynamic", "--undefined-only") & of_layers()
        listed = subprocess.run(["ldd", MODULE], capture_output=True, text=True).stdout
        libraries = re.findall(r"=> (/\S+)", listed)
        self.assertTrue(any("curl" in library for library in libraries), listed)
        for library in libraries:
            self.assertEqual(sorted(symbols(library, "--dynamic", "--defined-only") & needed), [], library)


if __name__ == "__main__":
    unittest.main()
