# SPDX-License-Identifier: MIT
import os
import sys

# What the suites share: harness/.
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "contract"))

from harness import dockerd  # noqa: E402


def pytest_configure(config):
    """The suite sees what a user with Docker sees, if the suites have a daemon."""
    dockerd.use()
    config.addinivalue_line("markers", "once: about the machine; no need to see it again with the sanitizers")
