# SPDX-License-Identifier: MIT
"""`light-runner image import` of layers: from OCI layouts and archives, and from docker save."""
import gzip
import os
import random
import shutil
import subprocess
import tarfile

import pytest

from harness.image_maker import (ARCHITECTURE, Image, archive_of, as_json, busybox_layer, docker_archive, entry, folder,
                         hardlink, image_layout, layer, opaque, platform_index, describe, sha256, symlink, whiteout,
                         write_layout, OCI, MTIME)
from test_image import RUNNER, assert_tidy, environment, image, imported, listed, mounted, refused, start_import

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting the images needs root")

CONFIG = {"Entrypoint": ["/bin/sh", "-c"], "Cmd": ["echo from cmd"], "Env": ["PATH=/bin", "COLOUR=blue"],
          "User": "12:34", "WorkingDir": "/tmp"}


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


def need_zstd():
    if not shutil.which("zstd"):
        pytest.skip("zstd is not installed")


def tree(root):
    """{path: contents, target of a link, or None for a folder}"""
    found = {}
    for top, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(top, name)
            relative = os.path.relpath(path, root)
            if os.path.islink(path):
                found[relative] = os.readlink(path)
            elif os.path.isdir(path):
                found[relative] = None
            else:
                with open(path, "rb") as file:
                    found[relative] = file.read()
    return found


def contents(store, tmp_path, *layers):
    """The contents of an image with these layers."""
    source = image_layout(tmp_path / "layout", Image(*layers))
    with mounted(store, imported(store, source)["digest"], tmp_path / "m") as root:
        return tree(root)


# ---------------------------------------------------------------- forms of images


@pytest.mark.parametrize("form", ["folder", "archive", "archive.gz", "docker", "docker-links"])
@pytest.mark.parametrize("pack", ["gzip", "zstd", None])
def test_every_form_gives_the_same_image(store, tmp_path, form, pack):
    if pack == "zstd":
        need_zstd()
    one = Image(layer(folder("a"), entry("a/x", data=b"1")), layer(entry("a/y", data=b"2")), config=CONFIG, pack=pack)
    layout = image_layout(tmp_path / "layout", one)
    source = {
        "folder": lambda: layout,
        "archive": lambda: archive_of(layout, tmp_path / "a.tar"),
        "archive.gz": lambda: archive_of(layout, tmp_path / "a.tgz", "w:gz"),
        "docker": lambda: docker_archive(tmp_path / "d.tar", one),
        "docker-links": lambda: docker_archive(tmp_path / "d.tar", one, shared_layers_as_links=True),
    }[form]()
    done = imported(store, source, "some/name")
    assert done["name"] == "some/name:latest"
    assert done["config"] == {"entrypoint": CONFIG["Entrypoint"], "cmd": CONFIG["Cmd"], "env": CONFIG["Env"],
                              "user": "12:34", "workdir": "/tmp"}
    assert_tidy(store, files=1)
    plain = tmp_path / "plain.tar"
    plain.write_bytes(layer(folder("a"), entry("a/x", data=b"1"), entry("a/y", data=b"2")))
    assert imported(store, plain)["digest"] == done["digest"], "as if it had come as one file system"


def test_a_docker_archive_with_the_same_layer_twice(store, tmp_path):
    same = layer(entry("x", data=b"1"))
    source = docker_archive(tmp_path / "d.tar", Image(same, layer(entry("x", data=b"2")), same),
                            shared_layers_as_links=True)
    with mounted(store, imported(store, source)["digest"], tmp_path / "m") as root:
        assert tree(root) == {"x": b"1"}


def test_an_archive_of_layers_comes_from_a_pipe(store, tmp_path):
    source = docker_archive(tmp_path / "d.tar", Image(layer(entry("x", data=b"1"))))
    process = start_import(store, "piped")
    ends = process.communicate(source.read_bytes(), timeout=60)
    assert process.returncode == 0, ends
    assert [i["name"] for i in listed(store)] == ["piped:latest"]


def test_what_a_real_tool_writes(store, tmp_path):
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    # Some writers of zstd:chunked drop everything after the end of a tar. Here, there is nothing after it.
    plain = busybox_layer().rstrip(b"\0")
    plain += bytes(-len(plain) % 512 + 1024)
    layout = image_layout(tmp_path / "layout", Image(plain, config=CONFIG))
    digests = {imported(store, layout)["digest"]}
    for target, *flags in (("oci-archive",), ("docker-archive",), ("dir",), ("oci", "zstd"), ("oci", "zstd:chunked")):
        file = tmp_path / "-".join([target, *flags]).replace(":", "-")
        flags = ["--dest-compress", "--dest-compress-format", *flags] if flags else []
        tag = "" if target == "dir" else ":image:1" if target.endswith("archive") else ":1"
        subprocess.run(["skopeo", "copy", "-q", *flags, f"oci:{layout}", f"{target}:{file}{tag}"], check=True, timeout=60)
        done = imported(store, file)
        assert done["config"]["cmd"] == CONFIG["Cmd"]
        digests.add(done["digest"])
    assert len(digests) == 1


def test_an_image_runs_as_its_configuration_says(store, tmp_path):
    source = image_layout(tmp_path / "layout", Image(busybox_layer(), config=dict(
        CONFIG, Cmd=["echo $COLOUR; id -u; echo \"$0\""], User="12")))
    imported(store, source, "box")
    done = subprocess.run([RUNNER, "run", "--network", "none", "box"], env=environment(store), timeout=60,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines()[:2] == ["blue", "12"]


def test_the_image_for_this_machine_is_taken(store, tmp_path):
    mine = Image(layer(entry("mine", data=b"1")))
    other = Image(layer(entry("other", data=b"1")), architecture="sparc64")
    windows = Image(layer(entry("windows", data=b"1")), os_name="windows")
    unknown = Image(layer(entry("attestation", data=b"1")), architecture="unknown", os_name="unknown")
    index = platform_index(windows, unknown, other, mine)
    source = write_layout(tmp_path / "layout", [describe(index, OCI + "index.v1+json")],
                          [index, *(b for i in (mine, other) for b in [i.manifest, *i.blobs.values()])])
    with mounted(store, imported(store, source)["digest"], tmp_path / "m") as root:
        assert os.listdir(root) == ["mine"]


def test_an_image_for_another_machine(store, tmp_path):
    other = Image(layer(entry("other", data=b"1")), architecture="sparc64")
    index = platform_index(other)
    source = write_layout(tmp_path / "layout", [describe(index, OCI + "index.v1+json")],
                          [index, other.manifest, *other.blobs.values()])
    assert ARCHITECTURE in refused(store, source)
    done = image(store, "import", image_layout(tmp_path / "alone", other), "x")
    assert done.returncode == 0 and b"sparc64" in done.stderr, "perhaps an emulator is set up: only a warning"
    store = tmp_path / "store2"
    windows = Image(layer(entry("x", data=b"1")), os_name="windows")
    assert "windows" in refused(store, image_layout(tmp_path / "windows", windows))


# ---------------------------------------------------------------- layers over layers


def test_a_whiteout_removes_files_links_and_whole_folders(store, tmp_path):
    lower = layer(folder("d"), folder("d/e"), entry("d/e/f", data=b"1"), entry("d/keep", data=b"2"), entry("file", data=b"3"),
                  symlink("link", "d"), entry("stay", data=b"4"))
    upper = layer(whiteout("d/e"), whiteout("file"), whiteout("link"), whiteout("never/was"), whiteout("nothing"))
    assert contents(store, tmp_path, lower, upper) == {"d": None, "d/keep": b"2", "stay": b"4"}


def test_a_whiteout_does_not_touch_its_own_layer(store, tmp_path):
    lower = layer(folder("d"), entry("d/old", data=b"1"), entry("x", data=b"old"), entry("y", data=b"old"))
    for number, upper in enumerate((
            [whiteout("d"), folder("d"), entry("d/new", data=b"2"), whiteout("x"), entry("x", data=b"new")],
            [folder("d"), entry("d/new", data=b"2"), whiteout("d"), entry("x", data=b"new"), whiteout("x")])):
        place = tmp_path / str(number)
        place.mkdir()
        assert contents(store, place, lower, layer(*upper)) == {"d": None, "d/new": b"2", "x": b"new", "y": b"old"}


def test_an_opaque_folder_hides_what_is_below_in_any_order(store, tmp_path):
    lower = layer(folder("d"), entry("d/old", data=b"1"), folder("d/sub"), entry("d/sub/old", data=b"1"),
                  folder("d/gone"), entry("d/gone/x", data=b"1"), entry("other", data=b"1"))
    new = [folder("d"), entry("d/new", data=b"2"), folder("d/sub"), entry("d/sub/new", data=b"2")]
    for number, upper in enumerate(([opaque("d"), *new], [*new, opaque("d")], [*new[:2], opaque("d"), *new[2:]])):
        place = tmp_path / str(number)
        place.mkdir()
        assert contents(store, place, lower, layer(*upper)) == {
            "d": None, "d/new": b"2", "d/sub": None, "d/sub/new": b"2", "other": b"1"}


def test_an_opaque_root(store, tmp_path):
    assert contents(store, tmp_path, layer(folder("a"), entry("a/b", data=b"1"), entry("c", data=b"1")),
                    layer(entry("new", data=b"2"), opaque(""))) == {"new": b"2"}


def test_hard_links_across_layers(store, tmp_path):
    lower = layer(entry("a", data=b"1"), hardlink("b", "a"), entry("c", data=b"3"))
    upper = layer(hardlink("d", "c"), entry("a", data=b"2"), whiteout("c"))
    source = image_layout(tmp_path / "layout", Image(lower, upper))
    with mounted(store, imported(store, source)["digest"], tmp_path / "m") as root:
        assert tree(root) == {"a": b"2", "b": b"1", "d": b"3"}, "the other name keeps the old contents"
        assert {n: os.stat(root / n).st_nlink for n in "abd"} == {"a": 1, "b": 1, "d": 1}
    both = image_layout(tmp_path / "both", Image(layer(entry("c", data=b"3")), layer(hardlink("d", "c"))))
    with mounted(store, imported(store, both)["digest"], tmp_path / "m2") as root:
        assert os.stat(root / "c").st_ino == os.stat(root / "d").st_ino


def test_one_kind_of_file_takes_the_place_of_another(store, tmp_path):
    lower = layer(folder("was-folder"), entry("was-folder/x", data=b"1"), entry("was-file", data=b"1"),
                  folder("target"), entry("target/kept", data=b"1"), symlink("was-link", "target"),
                  folder("to-link"), entry("to-link/x", data=b"1"), symlink("link-to-file", "was-file"),
                  folder("merged", mode=0o700), entry("merged/old", data=b"1"),
                  folder("fixed", mode=0o555), entry("fixed/old", data=b"1", mode=0o444), entry("fixed/gone", data=b"1"))
    upper = layer(entry("was-folder", data=b"2"), folder("was-file"), entry("was-file/y", data=b"2"),
                  folder("was-link"), entry("was-link/z", data=b"2"), symlink("to-link", "target"),
                  entry("link-to-file", data=b"2"), folder("merged", mode=0o755), entry("merged/new", data=b"2"),
                  entry("fixed/old", data=b"2"), whiteout("fixed/gone"))
    source = image_layout(tmp_path / "layout", Image(lower, upper))
    with mounted(store, imported(store, source)["digest"], tmp_path / "m") as root:
        assert tree(root) == {
            "was-folder": b"2", "was-file": None, "was-file/y": b"2", "target": None, "target/kept": b"1",
            "was-link": None, "was-link/z": b"2", "to-link": "target", "link-to-file": b"2",
            "merged": None, "merged/old": b"1", "merged/new": b"2", "fixed": None, "fixed/old": b"2"}
        assert os.stat(root / "fixed").st_mode & 0o777 == 0o555
        assert os.stat(root / "merged").st_mode & 0o777 == 0o755
        assert os.stat(root / "merged").st_mtime == MTIME


def test_a_file_beneath_a_link_of_a_lower_layer_goes_where_the_link_leads(store, tmp_path):
    lower = layer(folder("usr"), folder("usr/lib"), symlink("lib", "usr/lib"), symlink("abs", "/usr/lib"))
    upper = layer(entry("lib/a", data=b"1"), entry("abs/new/b", data=b"2"), hardlink("lib/c", "abs/a"))
    assert contents(store, tmp_path, lower, upper) == {
        "usr": None, "usr/lib": None, "lib": "usr/lib", "abs": "/usr/lib", "usr/lib/a": b"1", "usr/lib/c": b"1",
        "usr/lib/new": None, "usr/lib/new/b": b"2"}


def test_an_empty_layer_changes_nothing(store, tmp_path):
    empty = layer()
    assert contents(store, tmp_path, empty, layer(entry("x", data=b"1")), empty, bytes(1024)) == {"x": b"1"}


def test_the_same_layers_give_the_same_digest(store, tmp_path):
    layers = [layer(entry("a/b/c", data=b"1"), folder("z")), layer(entry("a/b/d", data=b"2"), entry("q/r", data=b"3")),
              layer(whiteout("a/b/c"), whiteout("z"), entry("z/new", data=b"4"))]
    digests = {imported(store, image_layout(tmp_path / str(i), Image(*layers)))["digest"] for i in range(3)}
    assert len(digests) == 1


def test_as_many_layers_as_docker_takes(store, tmp_path):
    layers = [layer(entry(f"f{i}", data=b"x"), entry("last", data=b"%d" % i)) for i in range(127)]
    found = contents(store, tmp_path, *layers)
    assert len(found) == 128 and found["last"] == b"126"
    too_many = image_layout(tmp_path / "more", Image(*layers, layer()))
    assert "more than 127 layers" in refused(tmp_path / "store2", too_many)


def random_layers(seed):
    """Layers that use the same few names, so that they overwrite each other's entries."""
    choose = random.Random(seed)
    folders, layers = ["a", "a/b", "c", "c/d", "c/d/e"], []
    for number in range(choose.randint(2, 5)):
        entries, named = [], set()
        for path in folders:  # as tools write it: a folder's entry before its contents
            if choose.random() < 0.6:
                if os.path.dirname(path) and os.path.dirname(path) not in named:
                    continue
                entries.append(folder(path, mode=choose.choice([0o755, 0o700])))
                named.add(path)
                if number and choose.random() < 0.25:
                    entries.append(opaque(path))
        for path in sorted(named) + [""]:
            for name in "xyz":
                full, what = os.path.join(path, name), choose.random()
                if what < 0.25:
                    entries.append(entry(full, data=b"%d" % number))
                elif what < 0.35:
                    entries.append(symlink(full, choose.choice(["x", "nowhere", "/a"])))
                elif what < 0.45 and entries and entries[-1][0].isreg() and ".wh." not in entries[-1][0].name:
                    entries.append(hardlink(full, entries[-1][0].name))
                elif number and what < 0.6:
                    entries.append(whiteout(full))
        if number and choose.random() < 0.3:
            gone = choose.choice([f for f in folders if f not in named and not f.startswith(tuple(named))] or ["nothing"])
            if not os.path.dirname(gone) or os.path.dirname(gone) in named:
                entries.append(whiteout(gone))
        layers.append(layer(*entries))
    return layers


@pytest.mark.parametrize("seed", range(20))
def test_random_layers_give_what_umoci_makes_of_them(store, tmp_path, seed):
    if not shutil.which("umoci"):
        pytest.skip("umoci is not installed")
    one = Image(*random_layers(seed))
    source = write_layout(tmp_path / "layout", [one.descriptor(annotations={"org.opencontainers.image.ref.name": "x"})],
                          [one.manifest, *one.blobs.values()])
    subprocess.run(["umoci", "unpack", "--image", f"{source}:x", tmp_path / "bundle"], check=True, timeout=60,
                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def modes(root):
        return {path: (value, os.lstat(root / path).st_mode, os.lstat(root / path).st_nlink if value else 0)
                for path, value in tree(root).items()}

    with mounted(store, imported(store, source)["digest"], tmp_path / "m") as root:
        assert modes(root) == modes(tmp_path / "bundle/rootfs")


# ---------------------------------------------------------------- hostile layers


@pytest.mark.parametrize("name", ["../escape", "/../escape", "d/../../escape", "d/.wh...", ".wh..", ".wh.", ".wh..."])
def test_a_name_that_leads_out_is_refused(store, tmp_path, name):
    (tmp_path / "escape").write_text("here")
    refused(store, image_layout(tmp_path / "layout", Image(layer(folder("d")), layer(entry(name, data=b"x")))))
    assert (tmp_path / "escape").read_text() == "here"


@pytest.mark.parametrize("target", ["/etc", "../../../../../../../../etc"])
def test_links_and_whiteouts_do_not_reach_the_machine(store, tmp_path, target):
    before = sorted(os.listdir("/etc"))
    found = contents(store, tmp_path, layer(symlink("link", target), folder("etc"), entry("etc/passwd", data=b"own")),
                     layer(entry("link/light-runner-escape", data=b"x"), whiteout("link/passwd"), opaque("link/none")))
    assert sorted(os.listdir("/etc")) == before and os.path.exists("/etc/passwd")
    assert found == {"link": target, "etc": None, "etc/light-runner-escape": b"x"}


def test_links_in_circles_are_refused(store, tmp_path):
    refused(store, image_layout(tmp_path / "layout", Image(layer(symlink("a", "b"), symlink("b", "a")),
                                                           layer(entry("a/x", data=b"x")))))


def test_paths_do_not_grow_without_end(store, tmp_path):
    deep = "/".join(["d"] * 200)
    refused(store, image_layout(tmp_path / "layout", Image(
        layer(folder(deep), symlink("l", deep)), layer(folder("l/" + deep)))))


@pytest.mark.parametrize("form", [archive_of, docker_archive])
@pytest.mark.parametrize("path", ["/etc/passwd", "../../../../../../../../etc/passwd"])
def test_a_layout_with_links_to_the_machine(store, tmp_path, form, path):
    """The link is resolved within the layout, where there is no such file."""
    one = Image(layer(entry("x", data=b"1")))
    if form is archive_of:
        layout = image_layout(tmp_path / "layout", one)
        blob = layout / "blobs" / "sha256" / sha256(one.layers[0]).split(":")[1]
        blob.unlink()
        blob.symlink_to(path)
        source = archive_of(layout, tmp_path / "a.tar")
    else:
        manifest = [{"Config": "c.json", "Layers": ["l.tar"]}]
        source = tmp_path / "d.tar"
        source.write_bytes(layer(entry("manifest.json", data=as_json(manifest)), entry("c.json", data=one.config),
                                 symlink("l.tar", path)))
    assert "cannot open" in refused(store, source)


def test_documents_that_make_no_sense_are_refused(store, tmp_path):
    good = Image(layer(entry("x", data=b"1")))
    blobs = [good.manifest, *good.blobs.values()]

    def attempt(name, descriptors=None, more=(), index=None):
        path = write_layout(tmp_path / name, descriptors or [good.descriptor()], [*blobs, *more])
        if index is not None:
            (path / "index.json").write_bytes(index)
        message = refused(store, path)
        assert "\n" not in message
        return message

    def manifest(**changes):
        text = as_json({**__import__("json").loads(good.manifest), **changes})
        return {"descriptors": [describe(text, OCI + "manifest.v1+json")], "more": [text]}

    def config(document):
        text = as_json(document)
        return manifest(config=describe(text, OCI + "config.v1+json")) | {"more": [
            text, *manifest(config=describe(text, OCI + "config.v1+json"))["more"]]}

    attempt("no-json", index=b"{")
    attempt("empty-index", index=b"")
    attempt("list", index=b"[]")
    attempt("huge", index=b'{"x":"' + b"x" * (5 << 20) + b'"}')
    attempt("deep", index=b'{"manifests":' + b"[" * 100000)
    attempt("none", index=b'{"manifests":[]}')
    attempt("numbers", index=b'{"manifests":[1,2]}')
    attempt("path", [{"digest": "sha256:../../../../etc/passwd"}])
    attempt("sha512", [{"digest": "sha512:" + "0" * 128}])
    attempt("missing", [{"digest": "sha256:" + "0" * 64}])
    attempt("two", [good.descriptor(), Image(layer()).descriptor()])
    attempt("no-layers", **manifest(layers=[]))
    attempt("layers-object", **manifest(layers={}))
    attempt("no-config", **manifest(config=None))
    attempt("layer-number", **manifest(layers=[7]))
    attempt("more-layers", **manifest(layers=[{"digest": sha256(good.layers[0])}] * 2))
    attempt("no-rootfs", **config({"config": {}}))
    attempt("bad-diff-id", **config({**good.document, "rootfs": {"diff_ids": ["x"]}}))
    attempt("env-object", **config({**good.document, "config": {"Env": {"A": "1"}}}))
    attempt("cmd-numbers", **config({**good.document, "config": {"Cmd": [1]}}))
    attempt("user-list", **config({**good.document, "config": {"User": []}}))
    attempt("huge-env", **config({**good.document, "config": {"Env": ["A=" + "x" * 300000]}}))
    loop = as_json({"manifests": [good.descriptor()]})
    for _ in range(5):
        blobs.append(loop)
        loop = as_json({"manifests": [describe(loop, OCI + "index.v1+json")]})
    assert "nested" in attempt("nested", index=loop)


def test_a_changed_byte_is_found_wherever_it_is(store, tmp_path):
    one = Image(layer(entry("x", data=b"contents")), config={"Env": ["A=1"]}, pack=None)
    for number, (blob, old, new) in enumerate(((one.manifest, b'"schemaVersion": 2', b'"schemaVersion": 3'),
                                               (one.config, b"A=1", b"A=2"), (one.layers[0], b"contents", b"CONTENTS"))):
        layout = image_layout(tmp_path / str(number), one)
        path = layout / "blobs" / "sha256" / sha256(blob).split(":")[1]
        path.write_bytes(blob.replace(old, new))
        assert "digest" in refused(store, layout)
    broken = Image(layer(entry("x", data=b"1")), diff_ids=["sha256:" + "0" * 64])
    assert "layer 1 of 1" in refused(store, docker_archive(tmp_path / "d.tar", broken))


def test_layers_count_against_one_limit(store, tmp_path):
    layers = [layer(entry(f"f{i}", data=bytes(6 << 20))) for i in range(3)]
    source = image_layout(tmp_path / "layout", Image(*layers))
    assert "more than" in refused(store, source, LIGHT_RUNNER_IMAGE_MAX_BYTES="16m")
    assert imported(store, source)["size"] > 18 << 20


def test_devices_and_attributes_of_power_are_left_out_of_layers(store, tmp_path):
    source = image_layout(tmp_path / "layout", Image(
        layer(entry("null", data=b"1"), entry("f", data=b"x", pax_headers={
            "SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00",
            "SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.user.overlay.opaque": "y"})),
        layer(entry("null", tarfile.CHRTYPE, devmajor=1, devminor=3))))
    done = image(store, "import", source, "x")
    assert b"left out 1 " in done.stderr
    with mounted(store, listed(store)[0]["digest"], tmp_path / "m") as root:
        assert tree(root) == {"f": b"x"}, "the device has taken the place of the file"
        assert os.listxattr(root / "f") == []


def test_a_folder_that_is_no_layout_is_refused(store, tmp_path):
    (tmp_path / "empty").mkdir()
    done = image(store, "import", tmp_path / "empty", "x")
    assert done.returncode == 125 and b"tar -C" in done.stderr
    assert not (store / "tmp").exists() or os.listdir(store / "tmp") == []


def test_a_root_file_system_may_have_such_files(store, tmp_path):
    tar = tmp_path / "a.tar"
    tar.write_bytes(layer(folder("bin"), entry("manifest.json", data=b"[]"), entry("oci-layout", data=b"{}")))
    with mounted(store, imported(store, tar)["digest"], tmp_path / "m") as root:
        assert set(tree(root)) == {"bin", "manifest.json", "oci-layout"}


def test_a_layout_that_is_packed_twice(store, tmp_path):
    layout = image_layout(tmp_path / "layout", Image(layer(entry("x", data=b"1"))))
    file = tmp_path / "a.tgz"
    file.write_bytes(gzip.compress(gzip.compress(archive_of(layout, tmp_path / "a.tar").read_bytes())))
    refused(store, file)
