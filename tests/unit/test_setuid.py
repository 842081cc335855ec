# SPDX-License-Identifier: MIT
"""A setuid program that uses the library: the user who calls it must not choose what is executed by its environment."""
import os
import shutil
import subprocess
import tempfile
import unittest

CALLER, MODULE, SUPERVISOR = (os.environ[name] for name in ("SETUID_CALLER", "PLANTED_MODULE", "SUPERVISOR"))
USER = 65534


def can_be_setuid(folder):
    return os.geteuid() == 0 and not os.statvfs(folder).f_flag & os.ST_NOSUID


class Setuid(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="light-runner-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        if not can_be_setuid(self.folder):
            self.skipTest("a setuid program needs root, and a file system that has such programs")
        os.chmod(self.folder, 0o755)
        self.caller = shutil.copy(CALLER, os.path.join(self.folder, "caller"))
        os.chmod(self.caller, 0o4755)
        # What the user plants. They may write there, so that a mark can be left with or without privileges.
        self.planted = os.path.join(self.folder, "planted")
        os.mkdir(self.planted)
        shutil.copy(MODULE, os.path.join(self.planted, "light-runner-engine-docker.so"))
        shutil.copy("/bin/true", os.path.join(self.planted, "planted"))
        os.chmod(self.planted, 0o777)

    def call(self, user, *more):
        """What `user` gets executed whose environment points to what they have planted: the module, the program."""
        environment = {"LIGHT_RUNNER_LIBEXEC": self.planted, "PATH": f"{self.planted}:/usr/bin:/bin", "DOCKER_HOST": "unix:///nonexistent"}
        done = subprocess.run([self.caller, SUPERVISOR, *more], env=environment, user=user, group=user, extra_groups=[],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn(b"euid 0", done.stdout)
        mark = os.path.join(self.planted, "light-runner-engine-docker.so.ran")
        loaded = os.path.exists(mark)
        if loaded:
            os.unlink(mark)
        return loaded, f"found: {self.planted}/planted".encode() in done.stdout

    def test_the_callers_environment_chooses_no_program(self):
        self.assertEqual(self.call(0), (True, True), "the environment of root itself counts")
        for more in ([], ["become"]):
            with self.subTest(more=more):
                self.assertEqual(self.call(USER, *more), (False, False))


class Beside(unittest.TestCase):
    """Helpers are looked for in folders near the program, where somebody else may be able to write: below /tmp, say."""

    def test_helpers_of_another_user_are_not_loaded(self):
        if os.geteuid() != 0:
            self.skipTest("gives a file to another user, which takes root")
        folder = tempfile.mkdtemp(prefix="light-runner-test-")
        self.addCleanup(shutil.rmtree, folder)
        place, helpers = os.path.join(folder, "src", "run"), os.path.join(folder, "libexec", "light-runner")
        os.makedirs(place)
        os.makedirs(helpers)
        supervisor = shutil.copy(SUPERVISOR, os.path.join(place, "light-runner-supervisor"))
        planted = shutil.copy(MODULE, os.path.join(helpers, "light-runner-engine-docker.so"))
        for owner, loaded in ((0, True), (USER, False)):  # root's own is the control
            with self.subTest(owner=owner):
                os.chown(planted, owner, owner)
                subprocess.run([CALLER, supervisor], env={"DOCKER_HOST": "unix:///nonexistent"}, stdout=subprocess.DEVNULL,
                               timeout=60, check=True)
                self.assertEqual(os.path.exists(planted + ".ran"), loaded)
                if loaded:
                    os.unlink(planted + ".ran")


if __name__ == "__main__":
    unittest.main()
