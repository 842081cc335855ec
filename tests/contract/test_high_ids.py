# SPDX-License-Identifier: MIT
"""Users and owners above 65535, as OpenShift and directory services hand them out."""
import os

import pytest

from harness.image_maker import Image, busybox_layer, docker_archive, entry, folder, layer

HIGH, SERVICE, GROUP = 172761424, 1000650000, 1000660000
NAMES = [entry("etc/passwd", data=f"root:x:0:0::/root:/bin/sh\nsvc:x:{SERVICE}:{GROUP}::/home/svc:/bin/sh\n".encode()),
         entry("etc/group", data=f"root:x:0:\nmore:x:{GROUP + 1}:svc\n".encode())]
FILES = layer(folder("etc"), *NAMES, folder("opt", mode=0o750, uid=HIGH, gid=HIGH + 7),
              entry("opt/data", data=b"here\n", mode=0o640, uid=HIGH, gid=65536), entry("last", uid=4294967294, gid=5))
AS_ROOT = f"""alias stat="/bin/busybox stat -c %u:%g"
cat /opt/data && echo more >> /opt/data && ls /opt && : > /opt/new && stat /opt /opt/data /last
/bin/busybox chown svc:more /opt/data && stat /opt/data; /bin/busybox chown 7:{HIGH} /opt/data && stat /opt/data
/bin/busybox su svc -c 'id -u; id -G; echo > /dev/stdout'"""


@pytest.fixture
def has_them(runner):
    if runner.engine == "local" and os.geteuid() != 0:
        pytest.skip("a user other than root has no ids for them (docs/rootless.md)")


def test_root_has_its_way(runner, has_them):
    runner.load(Image(busybox_layer(), FILES, config={"User": f"{SERVICE + 5}:{GROUP + 5}"}), "high")
    assert runner.ok("id -u; id -G; echo > f; /bin/busybox stat -c %u:%g f", "high").lines == [
        str(SERVICE + 5), str(GROUP + 5), f"{SERVICE + 5}:{GROUP + 5}"]
    runner.load(Image(busybox_layer(), FILES, config={"User": "root"}), "high")
    assert runner.ok(AS_ROOT, "high").lines == [
        "here", "data", f"{HIGH}:{HIGH + 7}", f"{HIGH}:65536", "4294967294:5", f"{SERVICE}:{GROUP + 1}", f"7:{HIGH}",
        str(SERVICE), f"{GROUP} {GROUP + 1}", ""]


def test_a_user_by_its_name(runner, has_them):
    runner.load(Image(busybox_layer(), FILES, config={"User": "svc"}), "high-name")
    assert runner.ok("id -u; id -G; echo $HOME; echo > f && ls", "high-name").lines == [
        str(SERVICE), f"{GROUP} {GROUP + 1}", "/home/svc", "f"]


def test_they_are_kept_by_setup_steps(runner, has_them):
    runner.load(Image(busybox_layer(), FILES), "high-steps")
    steps = ["cat /opt/data", f": > /opt/own; /bin/busybox chown svc:{HIGH} /opt/own"]
    script = "/bin/busybox stat -c %u:%g /opt/own /opt/data; echo more >> /opt/data"
    assert runner.ok(script, "high-steps", run=steps).lines == [f"{SERVICE}:{HIGH}", f"{HIGH}:65536"]


@pytest.mark.long
def test_more_owners_than_there_can_be(runner, has_them):
    """Files whose owners do not fit belong to nobody. Everything else is unchanged, and other runs are not affected."""
    many = [entry(f"many/{i}", data=b"x\n", mode=0o600, uid=100000 + 3 * i, gid=3000000000 - 5 * i if i > 9 else 0) for i in range(3000)]
    runner.load(Image(busybox_layer(), layer(folder("many"), *many), config={"User": f"{SERVICE}:0"}), "many")
    outcome = runner.ok("id -u; ls /many | /bin/busybox wc -l", "many")
    assert outcome.lines == [str(SERVICE), "3000"]
    runner.load(Image(busybox_layer(), layer(folder("many"), *many)), "many")
    assert runner.ok("cat /many/0", "many").lines == ["x"]
    runner.ok("true")


def test_an_ordinary_user_is_told(runner, tmp_path):
    if runner.engine != "local" or os.geteuid() == 0:
        pytest.skip("of a user other than root")
    runner.load(Image(busybox_layer(), config={"User": f"{SERVICE}:0"}), "high-user")
    archive = docker_archive(tmp_path / "image.tar", Image(busybox_layer(), FILES))
    told = runner.cli("image", "import", "--json", str(archive), "high-owners")
    assert told.code == 125 and "'opt'" in told.error["message"] and "65535" in told.error["message"], told
    outcome = runner.run("echo started", "high-user")
    assert outcome.code == 125 and str(SERVICE) in outcome.error["message"] and "started" not in outcome.text, outcome
