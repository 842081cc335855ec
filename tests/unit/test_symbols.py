#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Nothing but lrun_* is visible in the shared and the static library, and all of the header is; it is documented, too."""
import os
import re
import subprocess
import unittest

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
HEADER = os.path.join(ROOT, "include", "lightrunner.h")
PAGE = os.path.join(ROOT, "man", "lightrunner.3")


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


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def comment_before(function):
    """The header's comment on a function."""
    text = text_of(HEADER)
    before = text[:re.search(rf"^LRUN_API [^;(]*\b{function}\(", text, re.M).start()]
    return before[before.rindex("/**"):]


def sanitizer(name):
    """What AddressSanitizer puts beside every global variable."""
    return name.startswith(("__asan", "__odr_asan", "__ubsan", "___asan"))


class Documentation(unittest.TestCase):
    def test_the_man_page_names_each_function_and_code(self):
        page = text_of(PAGE)
        self.assertEqual(set(re.findall(r"\bFn (lrun_\w+)", page)), declared())
        codes = set(re.findall(r"^    (LRUN_\w+)\s*=\s*\d+", text_of(HEADER), re.M)) - {"LRUN_OK"}
        others = {name for name in codes if name.startswith(("LRUN_EXTRACT_", "LRUN_POOL_"))}
        codes -= others - {"LRUN_EXTRACT_FAILED", "LRUN_POOL_EMPTY"}
        self.assertEqual(set(re.findall(r"^\.It Dv (LRUN_\w+)", page, re.M)), codes)

    def test_the_example_of_the_man_page_compiles(self):
        example = text_of(PAGE).split(".Sh EXAMPLES")[1].split(".Bd -literal\n")[1].split(".Ed")[0].replace("\\e", "\\")
        done = subprocess.run([os.environ["COMPILER"], "-std=c17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I",
                               os.path.dirname(HEADER), "-x", "c", "-"], input=example, text=True, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_each_function_says_since_when_and_how_long_it_blocks(self):
        # The groups of housekeeping and images say once for all that each call blocks until a supervisor has answered.
        asks = ("lrun_available", "lrun_reap", "lrun_network_", "lrun_clean_images")
        for name in declared():
            comment = comment_before(name)
            self.assertIn("Since 0.", comment, name)
            if not name.startswith(asks) and "as at lrun_run()" not in comment and "as there" not in comment:
                self.assertRegex(comment, r"[Bb]lock|as lrun_execution_wait", name)


class Symbols(unittest.TestCase):
    def test_the_header_declares_functions(self):
        self.assertGreater(len(declared()), 10)

    def test_shared_library_exports_the_header_and_no_more(self):
        names = {n for n in defined(os.environ["SHARED_LIBRARY"], "--dynamic") if not sanitizer(n)}
        self.assertEqual(names - {"LIGHTRUNNER_0.1"}, declared())

    def test_static_library_exports_the_header_and_no_more(self):
        names = {n for n in defined(os.environ["STATIC_LIBRARY"]) if not sanitizer(n)}
        self.assertEqual(names, declared())

    def test_a_program_links_with_the_static_library(self):
        text = subprocess.run(["nm", os.environ["STATIC_LIBRARY"]], check=True, capture_output=True, text=True).stdout
        if "__asan" in text or "__gcov" in text:
            self.skipTest("the library needs the sanitizer's own, or gcov's")
        program = "#include <lightrunner.h>\nint main(void) { return lrun_run_json(NULL, NULL, 0, NULL, NULL, NULL) == 0; }\n"
        done = subprocess.run([*os.environ["COMPILER"].split(), "-I", os.path.dirname(HEADER), "-x", "c", "-", "-x", "none",
                               os.environ["STATIC_LIBRARY"], "-ljansson", "-o", "/dev/null"], input=program, text=True, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)

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
