# SPDX-License-Identifier: MIT
"""A folder and a link are swapped while files are extracted, in the sandbox and on the host."""
import os
import threading

import pytest

# The agent sends the files, so the engine and the tier matter separately, but not the two together.
pytestmark = pytest.mark.apart


def test_a_swap_from_within_shows_nothing_of_the_host(runner, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "passwd").write_text("HOST-SECRET")
    out = tmp_path / "out"
    script = f"""mkdir -p d/a d/b; echo inner > d/a/passwd
    (setsid sh -c 'while :; do mv d/a d/x; ln -s {secret} d/a; rm d/a; mv d/x d/a; done' >/dev/null 2>&1 &)
    sleep 0.3; exit 0"""
    outcome = runner.run(script, extract=[("d", out), ("d/a", tmp_path / "out2")], timeout=20000, deadline=40)
    assert outcome.code == 0, outcome
    for folder in (out, tmp_path / "out2"):
        for directory, folders, files in os.walk(folder):
            for name in folders + files:
                path = os.path.join(directory, name)
                assert not os.path.islink(path), path
                if os.path.isfile(path):
                    assert open(path).read() == "inner\n"


def test_a_swap_on_the_host_writes_nothing_outside(runner, tmp_path):
    """A process that may write to the folder `to` must not be able to lead us out of it."""
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.mkdir()
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            for name in ("d1", "d2", "d3"):
                path = out / name
                try:
                    if path.is_symlink():
                        path.unlink()
                    else:
                        os.rename(path, tmp_path / f"parked-{os.urandom(4).hex()}")
                    path.symlink_to(outside)
                except OSError:
                    pass

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        script = "for d in d1 d2 d3; do mkdir -p t/$d; i=0; while [ $i -lt 150 ]; do echo evil > t/$d/f$i; " \
                 "i=$((i+1)); done; done"
        for _ in range(5):
            runner.run(script, extract=[("t", out)], timeout=20000, deadline=40)
    finally:
        stop.set()
        thread.join()
    assert os.listdir(outside) == []
