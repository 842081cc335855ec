# SPDX-License-Identifier: MIT
import os
import sys

# What the suites share: harness/.
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "contract"))


def pytest_configure(config):
    config.addinivalue_line("markers", "once: about the machine; no need to see it again with the sanitizers")
