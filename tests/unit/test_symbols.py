#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Nothing but lrun_* is visible in the shared and the static library, and all of the header is."""
import os
import re
import subprocess
import unittest

HEADER = os.path.join(os.path.dirname(__file__), "..", "..", "include", "lightrunner.h")


def defined(path, *flags):
    """The global symbols that a library defines."""
    text = subprocess.run(
        ["nm", "--defined-only", "--extern-only", *flags, path],
        check=True, capture_output=True, text=True,
    ).stdout
    names = set()
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in "TDBRVWi":
            names.add(words[2].split("@")[0])
    return names


def declared():
    """The functions that the header declares."""
    with open(HEADER, encoding="utf-8") as file:
        return set(re.findall(r"^LRUN_API [^(;]*?\b(lrun_\w+)\(", file.read(), re.M))


def sanitizer(name):
    """What AddressSanitizer puts beside every global variable."""
    return name.startswith(("__asan", "__odr_asan", "__ubsan", "___asan"))


class Symbols(unittest.TestCase):
    def test_the_header_declares_functions(self):
        self.assertGreater(len(declared()), 10)

    def test_shared_library_exports_the_header_and_no_more(self):
        names = {n for n in defined(os.environ["SHARED_LIBRARY"], "--dynamic") if not sanitizer(n)}
        self.assertEqual(names - {"LIGHTRUNNER_0.1"}, declared())

    def test_static_library_exports_the_header_and_no_more(self):
        names = {n for n in defined(os.environ["STATIC_LIBRARY"]) if not sanitizer(n)}
        self.assertEqual(names, declared())

    def test_the_version_script_lists_each_symbol(self):
        # A wildcard would give a later symbol the version of the first release.
        with open(os.environ["VERSION_SCRIPT"], encoding="utf-8") as file:
            listed = re.findall(r"^ +(\S+);$", file.read().split("local:")[0], re.M)
        self.assertEqual(listed, sorted(declared()))

    def test_shared_library_needs_libc_and_jansson_alone(self):
        text = subprocess.run(
            ["readelf", "--dynamic", os.environ["SHARED_LIBRARY"]],
            check=True, capture_output=True, text=True,
        ).stdout
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]", text)
        allowed = re.compile(r"lib(c|m|jansson|asan|ubsan|clang_rt.*)\.so.*|ld-linux.*")
        self.assertEqual([n for n in needed if not allowed.fullmatch(n)], [])
        self.assertRegex(text, r"\(SONAME\).*\[liblightrunner\.so\.0\]")


if __name__ == "__main__":
    unittest.main()
