# SPDX-License-Identifier: MIT
import os
import sys

# What the suites share: harness/.
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "contract"))

from harness.fixtures import *  # noqa: E402, F401, F403
