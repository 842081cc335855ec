# SPDX-License-Identifier: MIT
"""liblightrunner of a build folder, for measurements in one process."""
import ctypes
import json
import os


class Library:
    def __init__(self, build):
        build = os.path.abspath(build)
        os.environ["LIGHT_RUNNER_SUPERVISOR"] = os.path.join(build, "src", "run", "light-runner-supervisor")
        self.c = ctypes.CDLL(os.path.join(build, "lib", "liblightrunner.so"))
        self.c.lrun_result_json.restype = ctypes.c_char_p
        self.c.lrun_pool_wait.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64, ctypes.c_char_p]
        for name in ("result_free", "execution_free", "pool_free", "session_free"):
            getattr(self.c, f"lrun_{name}").argtypes = [ctypes.c_void_p]
        self.error, self.runner = ctypes.create_string_buffer(4096), ctypes.c_void_p()
        self._check(self.c.lrun_runner_new(ctypes.byref(self.runner), None, self.error))

    def _check(self, code):
        if code != 0:
            raise RuntimeError(self.error.raw[4:700].split(b"\0")[0].decode(errors="replace"))

    def _made(self, function, first, document, *options):
        made, text = ctypes.c_void_p(), json.dumps(document).encode()
        self._check(function(first, text, ctypes.c_size_t(len(text)), *options, ctypes.byref(made), self.error))
        return made

    def run(self, request):
        return self._made(self.c.lrun_run_json, self.runner, request, None)

    def end(self, execution):
        result = ctypes.c_void_p()
        self._check(self.c.lrun_execution_wait(execution, ctypes.byref(result), self.error))
        document = json.loads(self.c.lrun_result_json(result))
        self.c.lrun_result_free(result)
        self.c.lrun_execution_free(execution)
        return document

    def open_session(self, spec):
        return self._made(self.c.lrun_session_open_json, self.runner, spec, None)

    def session_run(self, session, command):
        return self._made(self.c.lrun_session_run_json, session, command, None)

    def close_session(self, session):
        self._check(self.c.lrun_session_close(session, None, self.error))
        self.c.lrun_session_free(session)

    def open_pool(self, spec, entries):
        class Options(ctypes.Structure):  # lrun_pool_options
            _fields_ = [("size", ctypes.c_size_t), ("entries", ctypes.c_size_t), ("min_ready", ctypes.c_size_t),
                        ("max_age_ms", ctypes.c_uint64), ("refill", ctypes.c_uint), ("when_empty", ctypes.c_int), ("wait_ms", ctypes.c_uint64)]
        options = Options(ctypes.sizeof(Options), entries, 0, 0, 0, 2, 0)
        return self._made(self.c.lrun_pool_new_json, self.runner, spec, ctypes.byref(options))

    def pool_wait(self, pool, ready):
        self._check(self.c.lrun_pool_wait(pool, ready, 60000, self.error))

    def pool_run(self, pool, request):
        return self._made(self.c.lrun_pool_run_json, pool, request, None)

    def close_pool(self, pool):
        self.c.lrun_pool_free(pool)
