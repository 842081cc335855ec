# SPDX-License-Identifier: MIT
"""Which cells of the matrix this machine can test. An absent one is one skip, with its reason."""
import pytest

from harness import cells
from harness.fixtures import survey


@pytest.mark.once
@pytest.mark.parametrize("which", cells.CELLS, ids=cells.name)
def test_cell_is_available(which, executable, record_property):
    record_property("cell", cells.name(which))
    reason = survey()[which]
    if reason is not None:
        pytest.skip(reason)


def test_the_default_cell_works(executable):
    """Without it the whole suite would be empty, and green."""
    assert survey()[("local", "runc")] is None
