# SPDX-License-Identifier: MIT
"""Orders, through the C API, to a run whose command does not run yet because the image is being pulled or set up."""
import ctypes
import json

import pytest

from harness import host
from harness.registry import MISSING
from test_housekeeping import library  # noqa: F401
from test_pull_on_run import stalled  # noqa: F401
from test_setup_steps import unique  # noqa: F401


class Execution:
    def __init__(self, lib, request):
        self.lib, self.handle, self.result = lib, ctypes.c_void_p(), ctypes.c_void_p()
        text = json.dumps(request).encode()
        assert lib.call("lrun_run_json", text, ctypes.c_size_t(len(text)), None, ctypes.byref(self.handle)) == 0, lib.error.message

    def call(self, name, *arguments):
        return getattr(self.lib.lib, name)(self.handle, *arguments, ctypes.byref(self.lib.error))

    def refused(self, name):
        return self.call(name) == -1 and self.lib.code == "INVALID_ARGUMENT" and b"not running" in self.lib.error.message

    def wait(self):
        assert self.call("lrun_execution_wait", ctypes.byref(self.result)) == 0, self.lib.error.message
        self.lib.lib.lrun_result_json.restype = ctypes.c_char_p
        document = json.loads(self.lib.lib.lrun_result_json(self.result))
        self.lib.lib.lrun_result_free(self.result)
        self.lib.lib.lrun_execution_free(self.handle)
        return document


def test_pause_and_resume_during_the_setup_are_refused_and_the_run_goes_on(runner, library, unique):
    execution = Execution(library(), runner.request("echo done", run=[unique, "sleep 1"]))
    refused = [execution.refused("lrun_execution_pause"), execution.refused("lrun_execution_resume")]
    document = execution.wait()
    assert refused == [True, True] and document["exitCode"] == 0 and document["cancelled"] is False, (refused, document)


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_orders_during_the_pull(runner, library, stalled):
    name, called = stalled
    execution = Execution(library(), runner.request("true", name))
    assert host.wait_until(called, 20)
    refused = [execution.refused("lrun_execution_pause"), execution.refused("lrun_execution_resume")]
    stopped = execution.call("lrun_execution_stop", 0, ctypes.c_int64(-1))
    document = execution.wait()
    assert refused == [True, True] and stopped == 0, (refused, stopped, document)
    assert document["cancelled"] is True and document["exitCode"] == 137


def test_a_stop_during_the_setup_ends_the_run(runner, library, unique):
    execution = Execution(library(), runner.request("echo done", run=[unique, "sleep 60"]))
    assert execution.call("lrun_execution_stop", 0, ctypes.c_int64(-1)) == 0, execution.lib.error.message
    document = execution.wait()
    assert document["cancelled"] is True and document["exitCode"] == 137
