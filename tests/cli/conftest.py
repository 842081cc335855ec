# SPDX-License-Identifier: MIT
import os
import sys

# What the suites share: harness/.
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "contract"))
