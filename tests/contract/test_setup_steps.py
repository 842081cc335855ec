# SPDX-License-Identifier: MIT
"""`run` (--setup): steps that are executed once on top of the image, in a sandbox, and kept."""
import concurrent.futures
import json
import os
import re
import signal

import pytest

from harness import host
from harness.image_maker import Image, busybox_layer, entry, folder, layer

pytestmark = [pytest.mark.any_tier, pytest.mark.engine, pytest.mark.podman]


@pytest.fixture
def unique(request):
    """A step that no other test uses, so that no test finds another test's result."""
    return f": {request.node.name}"


@pytest.mark.apart
def test_steps_are_done_in_their_order(runner, unique):
    steps = [unique, "echo one > /etc/steps", "echo two >> /etc/steps"]
    assert runner.ok("cat /etc/steps", run=steps).lines == ["one", "two"]


def test_the_flag(runner, unique):
    done = runner.plain("cat /made", "--setup", unique, "--setup", "echo 'it'\\''s made' > /made",
                        "--setup-runtime", "runc")
    assert done.code == 0 and done.stdout == b"it's made\n"


def test_they_are_done_once(runner, unique):
    steps = [unique, "cat /proc/sys/kernel/random/uuid > /once"]
    first = runner.ok("cat /once", run=steps).lines
    assert runner.ok("cat /once", run=steps).lines == first
    assert runner.ok("cat /once", run=[*steps, "true"]).lines != first, "other steps, another image"


@pytest.mark.apart
def test_what_a_run_does_is_not_kept(runner, unique):
    steps = [unique, "echo kept > /f"]
    assert runner.ok("echo changed > /f; cat /f", run=steps).lines == ["changed"]
    assert runner.ok("cat /f", run=steps).lines == ["kept"]


def test_another_image_under_the_same_name_is_set_up_anew(runner, unique):
    for text in (b"1", b"2"):
        runner.load(Image(busybox_layer(), layer(entry("v", data=text))), "moving")
        assert runner.ok("cat /w", "moving", run=[unique, "cat /v > /w"]).lines == [text.decode()]


@pytest.mark.apart
@pytest.mark.no_podman
def test_owners_modes_links_and_removed_files(runner, unique):
    steps = [unique, "mkdir /d && chown 1234:567 /d && chmod 3770 /d && ln -s /d /l && echo x > /d/a && ln /d/a /d/b",
             "rm /etc/group; mkdir -p '/a b/\"c\"'; touch -d @1000000000 /t"]
    outcome = runner.ok("stat -c '%u %g %a' /d; readlink /l; stat -c %h /d/a; ls /etc/group 2>/dev/null; "
                        "ls -d '/a b/\"c\"'; stat -c %Y /t", run=steps)
    # Without root, fsck.erofs unpacks an image, and it makes separate files of hard links.
    links = "2" if os.geteuid() == 0 else "1"
    assert outcome.lines == ["1234 567 3770", "/d", links, "/a b/\"c\"", "1000000000"]


@pytest.mark.apart
def test_nothing_of_ours_is_left_in_the_image(runner, unique):
    def names(**fields):
        # The agent's name has a random part. Each run sees its own agent, and none from the steps.
        return sorted(re.sub("^[.]light-runner-.*", "the agent", line) for line in runner.ok("ls -a /", **fields).lines)

    assert names(run=[unique, "true"]) == names()


def test_the_images_configuration_is_kept(runner, unique):
    files = layer(folder("etc"), entry("etc/passwd", data=b"app:x:1000:1000::/:/bin/sh\n"), folder("srv", uid=1000))
    runner.load(Image(busybox_layer(), files, config={
        "User": "app", "Env": ["WHO=image", "PATH=/bin"], "WorkingDir": "/srv", "Cmd": ["/bin/cat", "/srv/seen"]}),
        "configured-setup")
    steps = [unique, 'echo "$WHO $(id -u) $(pwd)" > seen']
    assert runner.ok(None, "configured-setup", run=steps).lines == ["image 1000 /srv"]


@pytest.mark.every_cell
def test_nothing_of_the_run_is_in_the_steps(runner, unique, tmp_path):
    (tmp_path / "secret").write_text("s")
    steps = [unique, "ls -A . /app > /seen 2>/dev/null; echo \"env=$SECRET\" >> /seen; cat >> /seen"]
    outcome = runner.ok("cat /seen", run=steps, dir=tmp_path, env={"SECRET": "s"}, input={"secret": 1})
    assert "secret" not in outcome.text and "env=" in outcome.lines


@pytest.mark.every_cell
def test_steps_are_sandboxed(runner, unique):
    steps = [unique, "cat /proc/1/comm /proc/sys/kernel/hostname > /who; (mount -t tmpfs x /mnt || echo refused) 2>&1 >> /who;"
                     " grep CapEff /proc/self/status >> /who; grep Seccomp: /proc/self/status >> /who"]
    seen = runner.ok("cat /who", run=steps).text
    inside = runner.ok("grep CapEff /proc/self/status; grep Seccomp: /proc/self/status").lines
    assert "refused" in seen and all(line in seen for line in inside)


def without_a_choice(runner, script, **fields):
    """The request of a user who has not chosen a tier for the steps."""
    document = runner.request(script, **fields)
    document["options"].pop("setupRuntime", None)
    return document


@pytest.mark.every_cell
def test_in_a_stronger_tier_they_must_be_allowed_by_name(runner, unique):
    document = without_a_choice(runner, "echo started; cat /made", run=[unique, "echo made > /made"])
    outcome = runner.submit(document)
    if runner.tier == "runc":
        assert outcome.code == 0 and outcome.lines == ["started", "made"], outcome
        return
    for _ in range(2):
        assert outcome.code == 125 and outcome.error["code"] == "NOT_SUPPORTED", outcome
        assert outcome.error["message"].startswith("run: ") and runner.tier in outcome.error["message"]
        assert "--setup-runtime runc" in outcome.error["hint"] and "started" not in outcome.text
        # A result from a run that allowed it is not used for a run that does not allow it.
        document["options"]["setupRuntime"] = "runc"
        assert runner.submit(document).lines == ["started", "made"]
        del document["options"]["setupRuntime"]
        outcome = runner.submit(document)


@pytest.mark.every_cell
@pytest.mark.parametrize("tier", ["runsc", "kata", "io.containerd.kata.v2"])
def test_no_other_tier_is_possible_for_them(runner, unique, tier):
    outcome = runner.run("echo started", run=[unique], options={"setupRuntime": tier})
    assert outcome.code == 125 and outcome.error["code"] == "NOT_SUPPORTED", outcome
    assert tier in outcome.error["message"] and "started" not in outcome.text


@pytest.mark.every_cell
def test_the_result_says_how_they_were_run(runner, unique):
    steps = [unique, "uname -r > /kernel"]
    first = runner.ok("cat /kernel", run=steps)
    said = first.json["isolation"]["setup"]
    assert said == {"runtime": "runc", "network": "light-runner-isolated", "kernel": first.lines[0]}, said
    again = runner.ok("cat /kernel", run=steps)
    del said["kernel"]  # steps that were not executed in this run are not reported
    assert again.json["isolation"]["setup"] == said and again.lines == first.lines
    assert "setup" not in runner.ok("true").json["isolation"]


def test_the_network_can_be_taken_from_them(runner, unique):
    """The run itself has no network in both cases. A result made with a network is not used for steps without one."""
    steps = [unique, "grep -v '|' /proc/net/dev | cut -d: -f1 | tr -d ' ' | sort | xargs > /interfaces"]
    for _ in range(2):
        outcome = runner.ok("cat /interfaces", run=steps)
        assert "lo" in outcome.lines[0].split() and len(outcome.lines[0].split()) > 1, outcome
        outcome = runner.ok("cat /interfaces", run=steps, options={"setupNetwork": "none"})
        assert outcome.lines == ["lo"], outcome
        assert outcome.json["isolation"]["setup"]["network"] == "none"


@pytest.mark.any_cell
@pytest.mark.any_user
@pytest.mark.parametrize("option", [{"setupRuntime": "lxc"}, {"setupRuntime": 1}, {"setupNetwork": "host"}, {"setupNetwork": ["none"]}],
                         ids=str)
def test_wrong_choices_for_them(runner, option):
    outcome = runner.run("true", options=option)
    assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT", outcome
    assert outcome.error["message"].startswith("options." + next(iter(option))), outcome


def test_a_step_that_fails(runner, store, unique):
    before = host.leftovers(store)
    outcome = runner.run("echo started", run=[unique, "echo out; echo 'the reason' >&2; exit 3", "echo never"])
    assert outcome.code == 125 and outcome.error["code"] == "BUILD_FAILED"
    assert "exit code 3" in outcome.error["message"] and "the reason" in outcome.error["message"]
    assert "never" not in outcome.error["message"] and outcome.error["hint"]
    assert "started" not in outcome.text
    assert host.new_leftovers(before, store) == {}
    names = [image["name"] for image in json.loads(runner.cli("image", "ls", "--json", expects_json=False).stdout)]
    runner.run("true", run=[unique, "exit 1"])
    after = [image["name"] for image in json.loads(runner.cli("image", "ls", "--json", expects_json=False).stdout)]
    assert names == after, "nothing is kept of steps that failed"


def test_what_a_failing_step_says_does_not_speak_to_the_terminal(runner, unique):
    outcome = runner.run("true", run=[unique, "printf '\\033[31mred\\007' >&2; exit 1"])
    assert "\x1b" not in outcome.error["message"] and b"\x1b" not in outcome.stderr


def test_a_step_that_fills_the_disk(runner, unique):
    runner.needs_disk_cap()
    outcome = runner.run("echo started", run=[unique, "dd if=/dev/zero of=/big bs=1M count=64"], options={"disk": "16m"})
    assert outcome.code == 125 and "No space left" in outcome.error["message"]


def test_a_step_that_takes_too_much_memory(runner, unique):
    outcome = runner.run("echo started", run=[unique, "tail /dev/zero"], options={"memory": "32m"})
    assert outcome.code == 125 and outcome.error["code"] == "BUILD_FAILED"


def test_an_image_without_a_shell(runner, unique):
    runner.load(Image(layer(entry("x", data=b"x"))), "shell-less")
    outcome = runner.run(None, "shell-less", run=[unique])
    assert outcome.code == 125 and outcome.error["hint"]


def test_several_at_once_do_them_once(runner, unique):
    steps = [unique, "sleep 0.5; cat /proc/sys/kernel/random/uuid > /once"]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(lambda _: runner.ok("cat /once", run=steps).lines[0], range(4)))
    assert len(set(seen)) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_caller_goes_away_meanwhile(runner, store, unique, number):
    before = host.leftovers(store)
    marker = f"sleep 98765{number}"
    process = runner.start("echo started", run=[unique, marker])
    assert host.wait_until(lambda: host.processes_with(f"98765{number}"), 20), "the step did not begin"
    process.send_signal(number)
    stdout, _ = process.communicate(timeout=20)
    if number == signal.SIGTERM:
        assert process.returncode == 137 and json.loads(stdout)["cancelled"] is True
    assert host.wait_until(lambda: not host.processes_with(f"98765{number}"), 10)
    assert host.new_leftovers(before, store, 20) == {}


@pytest.mark.any_cell
@pytest.mark.any_user
@pytest.mark.parametrize("steps", ["echo", [1], [None], {"a": 1}, [["a"]]])
def test_wrong_types(runner, steps):
    outcome = runner.submit(runner.request("true", run=steps))
    assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT" and "run" in outcome.error["message"]


def test_no_steps_are_no_setup(runner):
    assert runner.ok("echo x", run=[]).lines == ["x"]


def test_it_can_be_removed(runner, store, unique):
    steps = [unique, "cat /proc/sys/kernel/random/uuid > /once"]
    first = runner.ok("cat /once", run=steps).lines
    if runner.engine != "local":
        pytest.skip("the images of a daemon are removed by its own means")
    listed = json.loads(runner.cli("image", "ls", "--json", expects_json=False).stdout)
    made = [i["name"] for i in listed if i["name"].startswith("light-runner/setup:")]
    assert made
    assert runner.cli("image", "rm", *made).code == 0
    assert runner.ok("cat /once", run=steps).lines != first
    assert os.path.isdir(store)
