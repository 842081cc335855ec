# SPDX-License-Identifier: MIT
import os
import sys

# harness/ is shared by all suites.
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "contract"))

from harness import dockerd, sharing  # noqa: E402
from harness.sharing import pytest_runtest_protocol, pytest_runtestloop  # noqa: E402,F401


def pytest_addoption(parser):
    sharing.add_option(parser)


def pytest_configure(config):
    """If the suites have a daemon, this suite uses it as a user with Docker does."""
    dockerd.use()
    for marker in ["once: about the machine; no need to see it again with the sanitizers", *sharing.MARKERS]:
        config.addinivalue_line("markers", marker)
