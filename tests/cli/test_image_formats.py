# SPDX-License-Identifier: MIT
"""`light-runner image import` of the entries and files that tar programs, builders and registries write."""
import bz2
import gzip
import io
import os
import subprocess
import tarfile

import pytest

from harness.image_maker import (ARCHITECTURE, Image, archive_of, as_json, describe, docker_archive, entry, folder, hardlink,
                                 image_layout, layer, sha256, symlink, write_layout, MTIME, OCI)
from test_image import imported, mounted, refused
from test_image_layers import need_zstd, tree

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting the images needs root")


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


def root_file_system(path, *entries):
    path.with_suffix(".tar").write_bytes(layer(*entries))
    return path.with_suffix(".tar")


def one_layer(path, *entries):
    return image_layout(path, Image(layer(*entries)))


# ---------------------------------------------------------------- entries of a tar

COMPOSED, DECOMPOSED, HANGUL = "\u00e9", "e\u0301", "\u1112\u1161\u11ab"

ENTRIES = [
    # Below links of the same archive: to an existing folder, and to a folder that comes later or never.
    folder("store"), folder("store/a"), symlink("modules", "store/a"), entry("modules/extra", data=b"1"),
    symlink("lib64", "usr/lib64"), entry("lib64/ld", data=b"2"), folder("usr", mode=0o750), folder("usr/lib64", mode=0o555),
    entry("usr/lib64/other", data=b"3"), hardlink("lib64/hard", "modules/extra"),
    symlink("abs", "/never/../named"), entry("abs/x", data=b"4"), symlink("store/up", "../../../usr"), entry("store/up/y", data=b"5"),
    # The last entry with a name counts.
    folder("was-full"), folder("was-full/sub"), entry("was-full/sub/x", data=b"1"), entry("was-full", data=b"file"),
    entry("was-file", data=b"1"), folder("was-file"), entry("was-file/x", data=b"6"),
    folder("to-link"), entry("to-link/x", data=b"1"), symlink("to-link", "store"),
    entry("twice", data=b"old"), hardlink("once", "twice"), entry("twice", data=b"new"),
    # Names that are not normalised paths.
    entry("a//b///c", data=b"7"), folder("d//"), entry("./e/./f", data=b"8"), entry("/root", data=b"9"), symlink("slash/", "d"),
    entry("a/../dots", data=b"10"), hardlink("dots2", "./a/../dots"),
    # Letters stay unchanged.
    entry(DECOMPOSED, data=b"decomposed"), entry(COMPOSED, data=b"composed"), entry(HANGUL, data=b"hangul"),
    symlink("letter", DECOMPOSED), hardlink("letter2", DECOMPOSED), entry("bad\udcff", data=b"11"),
    # Entries that are left out, also by another name.
    entry("dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3), hardlink("dev/zero", "dev/null"), hardlink("dev/three", "dev/zero"),
    entry("fifo", tarfile.FIFOTYPE), hardlink("fifo2", "fifo"),
    # Times
    entry("before", data=b"12", mtime=-5.5), entry("after", data=b"13", mtime=1600000000.25), folder("old", mtime=-1),
    # Other kinds
    entry("contiguous", tarfile.CONTTYPE, data=b"14"), symlink("dangling", "nowhere"), hardlink("dangling2", "dangling"),
    entry(".no.prefetch.landmark", data=b"\xf0"), entry("stargz.index.json", data=b"{}"),
    entry("attributes", data=b"15", pax_headers={
        "LIBARCHIVE.xattr.user.b": "dg", "SCHILY.xattr.security.capability": "x", "SCHILY.acl.access": "user::rw-,user:1:r--"}),
]
FILES = {
    "store/a/extra": b"1", "usr/lib64/ld": b"2", "usr/lib64/other": b"3", "usr/lib64/hard": b"1", "named/x": b"4", "usr/y": b"5",
    "was-full": b"file", "was-file/x": b"6", "twice": b"new", "once": b"old",
    "a/b/c": b"7", "e/f": b"8", "root": b"9", "dots": b"10", "dots2": b"10",
    DECOMPOSED: b"decomposed", COMPOSED: b"composed", HANGUL: b"hangul", "letter2": b"decomposed", "bad\udcff": b"11",
    "before": b"12", "after": b"13", "contiguous": b"14", ".no.prefetch.landmark": b"\xf0", "stargz.index.json": b"{}",
    "attributes": b"15",
}
LINKS = {
    "modules": "store/a", "lib64": "usr/lib64", "abs": "/never/../named", "store/up": "../../../usr", "to-link": "store",
    "slash": "d", "letter": DECOMPOSED, "dangling": "nowhere", "dangling2": "nowhere",
}


@pytest.mark.parametrize("form", [root_file_system, one_layer])
def test_whatever_entries_a_tar_has(store, tmp_path, form):
    done = imported(store, form(tmp_path / "image", *ENTRIES))
    with mounted(store, done["digest"], tmp_path / "m") as root:
        found = tree(root)
        assert {name: value for name, value in found.items() if isinstance(value, bytes)} == FILES
        assert {name: value for name, value in found.items() if isinstance(value, str)} == LINKS
        assert os.stat(root / "usr").st_mode & 0o7777 == 0o750 and os.stat(root / "usr/lib64").st_mode & 0o7777 == 0o555
        assert {os.stat(root / name).st_mtime for name in ("usr", "usr/lib64", "store/a", "was-file")} == {MTIME}
        assert [os.stat(root / name).st_mtime for name in ("before", "after", "old")] == [0, 1600000000.25, 0]
        for one, other in (("dots", "dots2"), ("store/a/extra", "usr/lib64/hard"), ("dangling", "dangling2")):
            assert os.lstat(root / one).st_ino == os.lstat(root / other).st_ino, one
        assert os.listxattr(root / "attributes") in (["user.b"], []), "without any on a file system that has none"


def v7(name, data=b""):
    """The header of a tar from before POSIX."""
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = len(data), MTIME, 0o755
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT)[:512])
    block[156], block[257:] = 0, bytes(255)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + data.ljust(-len(data) % 512 + len(data), b"\0")


def test_formats_of_tar(store, tmp_path):
    """Each format is a layer of one image."""
    source = tmp_path / "in"
    deep = "/".join(["long" * 30] * 4)
    (source / deep).mkdir(parents=True)
    (source / deep / ("name" * 40)).write_bytes(b"deep")
    os.link(source / deep / ("name" * 40), source / ("first" * 40))
    os.symlink(deep * 3, source / "far")
    with open(source / "holes", "wb") as file:
        for at in (0, 100000, 1 << 20, 3 << 20):
            file.seek(at)
            file.write(b"x" * 5000)
        file.truncate(5 << 20)
    expected, layers = {}, []
    for name, flags in (("gnu", ["--format=gnu"]), ("oldgnu", ["--format=oldgnu"]),
                        *((f"pax{v}", ["--format=posix", f"--sparse-version={v}"]) for v in ("0.0", "0.1", "1.0"))):
        done = subprocess.run(["tar", "--sparse", *flags, f"--transform=s,^\\./,{name}/,rSh", "-C", source, "-cf", "-", "."],
                              stdout=subprocess.PIPE, check=True, timeout=60)
        assert len(done.stdout) < 1 << 20, "the holes are no blocks of zeros"
        layers.append(done.stdout)
        expected.update({name: None, **{f"{name}/{path}": value for path, value in tree(source).items()}})
    layers += [v7("v7/") + v7("v7/file", b"old") + bytes(1024),
               layer(entry("behind", data=b"1")) + b"garbage" * 1000,
               layer(entry("first", data=b"1")) + layer(entry("never", data=b"1"))]
    with tarfile.open(fileobj=(out := io.BytesIO()), mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "of git"}) as tar:
        tar.addfile(entry("git", data=b"")[0])
    layers.append(out.getvalue())
    expected.update({"v7": None, "v7/file": b"old", "behind": b"1", "first": b"1", "git": b""})
    with mounted(store, imported(store, image_layout(tmp_path / "layout", Image(*layers)))["digest"], tmp_path / "m") as root:
        found = tree(root)
        assert {k: v if v is None else len(v) for k, v in found.items()} == {
            k: v if v is None else len(v) for k, v in expected.items()}
        assert found == expected


def test_ways_to_pack_a_layer(store, tmp_path):
    need_zstd()
    data = [layer(entry(f"f{i}", data=b"%d" % i * 2000)) for i in range(5)]

    def zstd(plain):
        return subprocess.run(["zstd", "-q", "-c"], input=plain, stdout=subprocess.PIPE, check=True, timeout=60).stdout

    def skipped(number, text):
        return (0x184D2A50 + number).to_bytes(4, "little") + len(text).to_bytes(4, "little") + text

    packs = [
        # eStargz: a member per file, and a last one that is empty
        (data[0], gzip.compress(data[0][:700]) + gzip.compress(data[0][700:]) + gzip.compress(b"")),
        (data[1], gzip.compress(data[1]) + bytes(700)),
        # zstd:chunked
        (data[2], skipped(0, b"x") + zstd(data[2][:700]) + skipped(7, b"") + zstd(data[2][700:]) + skipped(15, b"table" * 99)),
        (data[3], bz2.compress(data[3])),
        (data[4], data[4]),
        # layers without changes
        (b"", b""), (b"", gzip.compress(b"")), (b"", zstd(b"")), (bytes(512), bytes(512)), (bytes(1024), gzip.compress(bytes(1024))),
    ]
    image = Image(*(plain for plain, _ in packs), packed=[packed for _, packed in packs])
    found = {f"f{i}": b"%d" % i * 2000 for i in range(5)}
    with mounted(store, imported(store, image_layout(tmp_path / "layout", image))["digest"], tmp_path / "m") as root:
        assert tree(root) == found
    plain = tmp_path / "plain.tar.bz2"
    plain.write_bytes(bz2.compress(data[0]))
    with mounted(store, imported(store, plain, "bz2")["digest"], tmp_path / "m2") as root:
        assert tree(root) == {"f0": found["f0"]}
    for number, cut in enumerate((bz2.compress(data[0])[:-5], zstd(data[0])[:-5])):
        refused(tmp_path / f"s{number}", image_layout(tmp_path / f"cut{number}", Image(data[0], packed=[cut])))


def test_what_aufs_leaves_in_a_layer(store, tmp_path):
    """aufs's own files do not belong to the image, but its folder for hard links holds files of the image."""
    image = Image(layer(
        folder(".wh..wh.plnk"), entry(".wh..wh.plnk/12.34", data=b"both"), hardlink("one", ".wh..wh.plnk/12.34"),
        hardlink("two", ".wh..wh.plnk/12.34"), entry(".wh..wh.aufs"), folder(".wh..wh.orph"), entry(".wh..wh.orph/x", data=b"x")),
        layer(entry("three", data=b"3")))
    with mounted(store, imported(store, image_layout(tmp_path / "layout", image))["digest"], tmp_path / "m") as root:
        assert tree(root) == {"one": b"both", "two": b"both", "three": b"3"}
        assert os.stat(root / "one").st_nlink == 2


# ---------------------------------------------------------------- files beside an image

MINE, OTHER = Image(layer(entry("mine", data=b"1")), config={"Cmd": ["mine"]}), Image(layer(entry("other", data=b"2")))
COSIGN, SBOM = "application/vnd.dev.cosign.simplesigning.v1+json", "application/vnd.example.sbom"
HOST = {"os": "linux", "architecture": ARCHITECTURE}


def manifest(one, *types, config=OCI + "config.v1+json", **more):
    """The image's manifest with other media types for its parts. A type may bring more members of the descriptor."""
    types = [t if isinstance(t, dict) else {"mediaType": t} for t in types]
    return as_json({"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": describe(one.config, config),
                    "layers": [{**describe(d, ""), **t} for d, t in zip(one.layers, types, strict=True)], **more})


def of(data, **more):
    kind = "index" if b'"manifests"' in data else "manifest"
    return describe(data, OCI + kind + ".v1+json", **more)


def index(*descriptors):
    return as_json({"schemaVersion": 2, "manifests": descriptors})


SIGNATURE = manifest(OTHER, COSIGN, subject=MINE.descriptor())
BILL = manifest(OTHER, SBOM, config="application/vnd.oci.empty.v1+json", artifactType=SBOM)
# Descriptors in an index whose blobs may be missing.
BESIDE = {
    "attestation of BuildKit": OTHER.descriptor(platform={"os": "unknown", "architecture": "unknown"}),
    "attestation without a platform": OTHER.descriptor(annotations={"vnd.docker.reference.type": "attestation-manifest"}),
    "attestation for this platform": OTHER.descriptor(platform=HOST, annotations={
        "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": sha256(MINE.manifest)}),
    "artifact": OTHER.descriptor(artifactType=SBOM),
    "something else": describe(b"<xml/>", "application/xml"),
    "another form of artifacts": describe(b"{}", "application/vnd.oci.artifact.manifest.v1+json"),
}


def is_mine(store, source):
    return imported(store, source)["config"]["cmd"] == ["mine"]


def test_what_is_beside_an_image_is_skipped(store, tmp_path):
    """In index.json itself and in an index that it refers to, with and without a platform for the image."""
    blobs = [*MINE.blobs.values(), *OTHER.blobs.values(), MINE.manifest, SIGNATURE, BILL]
    alone = [of(SIGNATURE, annotations={"kind": "dev.cosignproject.cosign/sigs"}), of(BILL)]
    for number, image_itself in enumerate((MINE.descriptor(), MINE.descriptor(platform=HOST),
                                           MINE.descriptor(platform={**HOST, "variant": {"amd64": "v1", "arm64": "v8"}.get(
                                               ARCHITECTURE, "")}))):
        all_of_them = [alone[0], *BESIDE.values(), image_itself, alone[1]]
        assert is_mine(store, write_layout(tmp_path / f"top{number}", all_of_them, blobs))
        inner = index(*all_of_them)
        outer = index(of(inner))
        assert is_mine(store, write_layout(tmp_path / f"in{number}", [of(outer)], [*blobs, inner, outer]))
    archive = archive_of(tmp_path / "top0", tmp_path / "a.tar")
    assert is_mine(store, archive)


def test_variants_of_this_machine(store, tmp_path):
    if ARCHITECTURE not in ("amd64", "arm64"):
        pytest.skip("no variants are known of it")
    first, later = {"amd64": ("v1", "v3"), "arm64": ("v8", "v9")}[ARCHITECTURE]
    blobs = [MINE.manifest, *MINE.blobs.values(), OTHER.manifest, *OTHER.blobs.values()]
    for number, variant in enumerate(({"variant": first}, {})):
        source = write_layout(tmp_path / str(number), [OTHER.descriptor(platform={**HOST, "variant": later}),
                                                       MINE.descriptor(platform={**HOST, **variant})], blobs)
        assert is_mine(store, source)
    features = write_layout(tmp_path / "features", [OTHER.descriptor(platform={**HOST, "os.features": ["nydus.remoteimage.v1"]}),
                                                    MINE.descriptor(platform=HOST)], blobs)
    assert is_mine(store, features)
    only = write_layout(tmp_path / "only", [MINE.descriptor(platform={**HOST, "variant": later})], blobs)
    assert is_mine(store, only), "perhaps it runs"


def test_without_an_image_the_error_says_what_is_there(store, tmp_path):
    blobs = [*MINE.blobs.values(), *OTHER.blobs.values(), MINE.manifest, OTHER.manifest, SIGNATURE, BILL]

    def message(name, *descriptors, more=()):
        return refused(store, write_layout(tmp_path / name, list(descriptors), [*blobs, *more]))

    assert COSIGN in message("signature", of(SIGNATURE))
    assert SBOM in message("bill", of(BILL))
    assert COSIGN in message("both", of(SIGNATURE), of(BILL))
    assert "linux/" in message("beside", *BESIDE.values())
    assert "several images" in message("two", of(SIGNATURE), MINE.descriptor(), OTHER.descriptor())
    inner = index(MINE.descriptor())
    assert "several images" in message("index", of(inner), OTHER.descriptor(), more=[inner])
    helm = manifest(MINE, OCI + "layer.v1.tar+gzip", config="application/vnd.cncf.helm.config.v1+json")
    assert "helm" in message("helm", of(helm), more=[helm])
    many = [manifest(OTHER, COSIGN, annotations={"number": str(n)}) for n in range(70)]
    assert "several" in message("many", *map(of, many), more=many), "each one costs a process"
    assert "\x1b" not in message("terminal", of(manifest(OTHER, SBOM, artifactType="\x1b[2J")),
                                 more=[manifest(OTHER, SBOM, artifactType="\x1b[2J")])


def test_layers_that_are_no_tar_or_not_there(store, tmp_path):
    three = Image(*(layer(entry(name, data=b"1")) for name in "abc"))
    plain = OCI + "layer.v1.tar+gzip"

    def source(name, *types, without=None):
        data = manifest(three, *types)
        blobs = [data, three.config, *(d for d in three.layers if d is not without)]
        return write_layout(tmp_path / name, [of(data)], blobs)

    assert "layer 2 of the image is encrypted" in refused(store, source("encrypted", plain, plain + "+encrypted", plain))
    assert "layer 3" in (said := refused(store, source("nydus", plain, plain, OCI + "layer.nydus.blob.v1"))) and "nydus" in said
    foreign = {"mediaType": OCI + "layer.nondistributable.v1.tar+gzip", "urls": ["http://127.0.0.1:1/layer"]}
    assert "layer 1" in (said := refused(store, source("foreign", foreign, plain, plain, without=three.layers[0]))) and "foreign" in said
    assert "foreign" not in refused(store, source("missing", foreign, plain, plain, without=three.layers[1]))
    docker = "application/vnd.docker."
    for name, *types in (("there", foreign, plain, plain),
                         ("docker", docker + "image.rootfs.foreign.diff.tar.gzip", docker + "image.rootfs.diff.tar.zstd",
                          docker + "container.image.rootfs.diff+x-gtar"),
                         ("none", {"mediaType": None}, {"mediaType": ""}, {"mediaType": OCI + "layer.v1.tar"})):
        imported(store, source(name, *types))


# ---------------------------------------------------------------- other forms of an image


def test_a_folder_that_skopeo_writes(store, tmp_path):
    """`skopeo copy ... dir:`, and `podman save --format docker-dir`."""
    for number, (data, works) in enumerate(((MINE.manifest, True), (BILL, False))):
        path = tmp_path / str(number)
        path.mkdir()
        (path / "version").write_text("Directory Transport Version: 1.1\n")
        (path / "manifest.json").write_bytes(data)
        for blob in (*MINE.blobs.values(), *OTHER.blobs.values()):
            (path / sha256(blob).split(":")[1]).write_bytes(blob)
        if works:
            assert is_mine(store, path) and is_mine(store, archive_of(path, tmp_path / "a.tar"))
        else:
            assert SBOM in refused(tmp_path / "store2", path)


def test_a_layout_that_does_not_say_that_it_is_one(store, tmp_path):
    layout = image_layout(tmp_path / "layout", MINE)
    (layout / "oci-layout").unlink()
    assert is_mine(store, layout) and is_mine(store, archive_of(layout, tmp_path / "a.tar"))
    (layout / "index.json").unlink()
    assert "index.json" in refused(tmp_path / "store2", layout)


def test_archives_of_old_and_new_dockers(store, tmp_path):
    old = tmp_path / "old.tar"
    files = [folder("0a"), entry("0a/VERSION", data=b"1.0"), entry("0a/json", data=b"{}"), entry("0a/layer.tar", data=MINE.plain[0]),
             entry("repositories", data=b'{"x": {"latest": "0a"}}')]
    old.write_bytes(layer(*files))
    assert "1.10" in refused(store, old)
    both = tmp_path / "both.tar"
    both.write_bytes(layer(*files, entry("config.json", data=MINE.config), entry("manifest.json", data=as_json(
        [{"Config": "config.json", "RepoTags": None, "Layers": ["./0a/layer.tar"]}]))))
    assert is_mine(store, both)
    several = docker_archive(tmp_path / "several.tar", MINE, OTHER)
    assert "several images" in refused(tmp_path / "store2", several)
    assert imported(store, several, "image0")["config"]["cmd"] == ["mine"]
    assert imported(store, several, "docker.io/library/image1:latest")["config"]["cmd"] == []
    layout = write_layout(tmp_path / "several", [
        MINE.descriptor(annotations={"io.containerd.image.name": "docker.io/library/mine:1"}),
        OTHER.descriptor(annotations={"org.opencontainers.image.ref.name": "localhost:5000/other:2"})],
        [MINE.manifest, OTHER.manifest, *MINE.blobs.values(), *OTHER.blobs.values()])
    assert imported(store, layout, "mine:1")["config"]["cmd"] == ["mine"]
    assert imported(store, layout, "localhost:5000/other:2")["config"]["cmd"] == []
    assert "several images" in refused(tmp_path / "store2", layout)
    names = tmp_path / "names.tar"
    names.write_bytes(layer(entry("c.json", data=MINE.config), entry("l.tar", data=MINE.plain[0]), entry("manifest.json", data=as_json(
        [{"Config": "c.json", "RepoTags": [tag], "Layers": ["l.tar"]} for tag in ("a:1", "b:2")]))))
    assert is_mine(store, names)


def test_configurations_that_say_odd_things(store, tmp_path):
    def config_of(number, **changes):
        one = Image(layer(entry("x", data=b"1")))
        document = {**one.document, **changes}
        one.config = as_json({key: value for key, value in document.items() if value is not ...})
        one.manifest = manifest(one, OCI + "layer.v1.tar+gzip")
        one.blobs = {sha256(data): data for data in (one.config, *one.layers)}
        return imported(store, image_layout(tmp_path / str(number), one))["config"]

    nothing = {"entrypoint": [], "cmd": [], "env": [], "user": "", "workdir": ""}
    keys = ("Entrypoint", "Cmd", "Env", "User", "WorkingDir", "Labels", "Volumes", "ExposedPorts", "Healthcheck", "OnBuild", "Shell")
    for number, changes in enumerate((
            {"config": dict.fromkeys(keys)}, {"config": None}, {"config": ...}, {"architecture": ..., "os": ...},
            {"history": [{"created_by": "/bin/sh -c #(nop)", "empty_layer": True}, {"created_by": "a\0b"}], "created": None},
            {"config": {"Labels": {"a": "\0", "b": "\u2028"}, "Healthcheck": {"Interval": 2 ** 70, "Timeout": 1e300}}},
            {"variant": "v8", "os.version": "1", "os.features": ["x"], "container_config": {"Cmd": 7}})):
        assert config_of(number, **changes) == nothing
    assert config_of("words", config={"Entrypoint": "/bin/program", "Cmd": "its word"}) == {
        **nothing, "entrypoint": ["/bin/program"], "cmd": ["its word"]}
    for number, config in enumerate(({"Env": ["A=\0"]}, {"User": "a\0"}, {"Cmd": "\0"}, {"Env": "A=1"})):
        refused(tmp_path / "store2", image_layout(tmp_path / f"bad{number}", Image(layer(entry("x")), config=config)))
