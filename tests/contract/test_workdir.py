# SPDX-License-Identifier: MIT
"""`workdir`: where the command starts, and where files are copied to."""
import pytest

pytestmark = pytest.mark.apart


def test_default_is_app(runner):
    assert runner.ok("pwd").lines == ["/app"]


@pytest.mark.parametrize("workdir", ["/srv", "/a/b/c", "/tmp/x", "/with space", "/root"])
def test_is_made_and_entered(runner, workdir):
    assert runner.ok("pwd; touch f && ls", workdir=workdir).lines == [workdir, "f"]


@pytest.mark.any_tier
@pytest.mark.any_user
def test_needless_slashes_are_removed(runner):
    assert runner.ok("pwd", workdir="/x//y/./z/").lines == ["/x/y/z"]


def test_dir_lands_in_it(runner, tmp_path):
    (tmp_path / "f").write_text("in\n")
    assert runner.ok("cat /srv/data/f; pwd", dir=tmp_path, workdir="/srv/data").lines == ["in", "/srv/data"]


def test_an_existing_folder_keeps_its_contents(runner, tmp_path):
    (tmp_path / "f").write_text("in\n")
    outcome = runner.ok("cat passwd | head -1; cat f", dir=tmp_path, workdir="/etc")
    assert outcome.lines == ["root:x:0:0:root:/root:/bin/sh", "in"]


@pytest.mark.any_tier
@pytest.mark.any_user
def test_workdir_flag(runner):
    assert runner.plain("pwd", "--workdir", "/here").stdout == b"/here\n"


@pytest.mark.any_cell
@pytest.mark.any_user
@pytest.mark.parametrize("workdir", ["relative", "", "./x", "/a/../b", "/.."])
def test_relative_or_climbing_is_refused(runner, workdir):
    outcome = runner.run("echo started", workdir=workdir)
    assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT"
    assert "workdir" in outcome.error["message"]


def test_a_file_in_the_way_is_an_error_of_ours(runner):
    outcome = runner.run("echo started", workdir="/etc/passwd/x")
    assert outcome.code == 125 and "started" not in outcome.text
