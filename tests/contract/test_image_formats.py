# SPDX-License-Identifier: MIT
"""Everything in an image arrives in the sandbox, whichever program has unpacked it."""
import subprocess

from harness.image_maker import Image, busybox_layer, entry, folder, hardlink, layer, opaque, symlink, whiteout

DECOMPOSED = "e\u0301"


def sparse_layer(folder_path):
    """As GNU tar writes it in the POSIX format."""
    with open(folder_path / "holes", "wb") as file:
        for at in (100000, 1 << 20):
            file.seek(at)
            file.write(b"x" * 5000)
        file.truncate(2 << 20)
    return subprocess.run(["tar", "--format=posix", "--sparse", "-C", folder_path, "-cf", "-", "holes"], stdout=subprocess.PIPE,
                          check=True, timeout=60).stdout


def test_layers_and_odd_entries(runner, tmp_path):
    lower = layer(folder("opt"), folder("opt/tools", mode=0o555), entry("opt/tools/tool", data=b"1\n", mode=0o555),
                  entry("opt/tools/old", data=b"old\n"), folder("opaque"), entry("opaque/old", data=b"old\n"),
                  entry("names", data=b"2\n"))
    upper = layer(folder("opt"), folder("opt/tools", mode=0o555), entry("opt/tools/tool", data=b"3\n", mode=0o555),
                  whiteout("opt/tools/old"),
                  folder("opaque"), opaque("opaque"), entry("opaque/new", data=b"4\n"),
                  folder("store"), folder("store/a"), symlink("modules", "store/a"), entry("modules/extra", data=b"5\n"),
                  entry("first", data=b"6\n"), hardlink("second", "first"), hardlink("third", "modules/extra"),
                  entry(DECOMPOSED, data=b"7\n"), entry("before", mtime=-5), entry(".prefetch.landmark", data=b"8\n"))
    image = Image(busybox_layer(), lower, upper, layer(), sparse_layer(tmp_path))
    runner.load(image, "odd")
    script = f"""cat /opt/tools/* /names /opaque/* /store/a/extra /first /second /third /{DECOMPOSED} /.prefetch.landmark
        busybox stat -c %a /opt/tools; busybox stat -c %Y /before; busybox stat -c %s /holes; busybox sha256sum < /holes"""
    digest = subprocess.run(["sha256sum", tmp_path / "holes"], stdout=subprocess.PIPE, check=True, timeout=60).stdout.decode().split()[0]
    assert runner.ok(script, "odd").lines == ["3", "2", "4", "5", "6", "6", "5", "7", "8", "555", "0", str(2 << 20), f"{digest}  -"]
