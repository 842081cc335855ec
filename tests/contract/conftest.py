# SPDX-License-Identifier: MIT
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import dockerd  # noqa: E402
from harness.fixtures import *  # noqa: E402,F401,F403

# The local engine's pulls of missing images fail at once, too.
os.environ.update(dockerd.NO_INTERNET)
