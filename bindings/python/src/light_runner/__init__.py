# SPDX-License-Identifier: MIT
"""Run code that you did not write in a disposable sandbox."""
from ._errors import LightRunnerError
from ._execution import Execution
from ._executable import VERSION as __version__
from ._runner import Runner, attach, clean_states, doctor, state, states
from ._types import Extracted, Result

__all__ = ["Execution", "Extracted", "LightRunnerError", "Result", "Runner", "attach", "clean_states", "doctor", "state", "states",
           "__version__"]
