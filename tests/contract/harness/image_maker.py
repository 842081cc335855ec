# SPDX-License-Identifier: MIT
"""Builds images by hand: layers, OCI layouts, and archives of `docker save`."""
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile

MTIME = 1600000000
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
OCI = "application/vnd.oci.image."
BUSYBOX = "/bin/busybox"


def entry(name, kind=tarfile.REGTYPE, data=b"", mode=None, link="", **more):
    info = tarfile.TarInfo(name)
    info.type, info.mtime, info.linkname, info.size = kind, MTIME, link, len(data)
    info.mode = mode if mode is not None else 0o755 if kind == tarfile.DIRTYPE else 0o644
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def folder(name, **more):
    return entry(name, tarfile.DIRTYPE, **more)


def symlink(name, target):
    return entry(name, tarfile.SYMTYPE, link=target)


def hardlink(name, target):
    return entry(name, tarfile.LNKTYPE, link=target)


def whiteout(name):
    head, tail = os.path.split(name)
    return entry(os.path.join(head, ".wh." + tail))


def opaque(name):
    return entry(os.path.join(name, ".wh..wh..opq"))


def layer(*entries):
    """The bytes of an uncompressed tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def busybox_layer():
    with open(BUSYBOX, "rb") as file:
        program = file.read()
    names = ("sh", "cat", "ls", "echo", "grep", "id", "env", "pwd", "true")
    return layer(folder("bin"), entry("bin/busybox", data=program, mode=0o755),
                 *(symlink("bin/" + name, "busybox") for name in names), folder("tmp", mode=0o1777))


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True, timeout=60).stdout


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def as_json(value):
    return json.dumps(value).encode()


class Image:
    """One image: its documents, and its blobs by digest."""

    def __init__(self, *layers, config=None, pack="gzip", architecture=ARCHITECTURE, os_name="linux", diff_ids=None,
                 packed=None):
        self.plain = layers
        self.document = {"architecture": architecture, "os": os_name, "config": config or {},
                         "rootfs": {"type": "layers", "diff_ids": diff_ids or [sha256(data) for data in layers]}}
        self.config = as_json(self.document)
        packed = packed or [{"gzip": lambda d: gzip.compress(d, mtime=0), "zstd": zstd, None: lambda d: d}[pack](d) for d in layers]
        suffix = "+" + pack if pack else ""
        self.manifest = as_json({
            "schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
            "config": describe(self.config, OCI + "config.v1+json"),
            "layers": [describe(data, OCI + "layer.v1.tar" + suffix) for data in packed]})
        self.layers = packed
        self.blobs = {sha256(data): data for data in [self.config, *packed]}
        self.platform = {"architecture": architecture, "os": os_name}

    def descriptor(self, **more):
        return describe(self.manifest, OCI + "manifest.v1+json", **more)


def describe(data, kind, **more):
    return {"mediaType": kind, "digest": sha256(data), "size": len(data), **more}


def platform_index(*images):
    """The index of an image that exists for several platforms."""
    return as_json({"schemaVersion": 2, "mediaType": OCI + "index.v1+json",
                    "manifests": [i.descriptor(platform=i.platform) for i in images]})


def write_layout(path, descriptors, blobs):
    """Writes an OCI image layout. `blobs` is a list of bytes."""
    os.makedirs(path / "blobs" / "sha256")
    (path / "oci-layout").write_bytes(as_json({"imageLayoutVersion": "1.0.0"}))
    (path / "index.json").write_bytes(as_json({"schemaVersion": 2, "manifests": descriptors}))
    for data in blobs:
        (path / "blobs" / "sha256" / sha256(data).split(":")[1]).write_bytes(data)
    return path


def image_layout(path, image):
    return write_layout(path, [image.descriptor()], [image.manifest, *image.blobs.values()])


def archive_of(path, target, mode="w"):
    """Packs the contents of a folder into a tar."""
    with tarfile.open(target, mode) as tar:
        for name in sorted(os.listdir(path)):
            tar.add(path / name, arcname=name)
    return target


def docker_archive(target, *images, shared_layers_as_links=False):
    """Writes an archive in the format of `docker save` before version 25."""
    rows, entries, seen = [], [], {}
    for number, image in enumerate(images):
        name = hashlib.sha256(image.config).hexdigest() + ".json"
        entries.append(entry(name, data=image.config))
        layers = []
        for i, data in enumerate(image.plain):
            path = f"{number}{i}/layer.tar"
            if shared_layers_as_links and data in seen:
                entries.append(symlink(path, "../" + seen[data]))
            else:
                entries.append(entry(path, data=data))
                seen[data] = path
            layers.append(path)
        rows.append({"Config": name, "RepoTags": [f"image{number}:latest"], "Layers": layers})
    entries.append(entry("manifest.json", data=as_json(rows)))
    target.write_bytes(layer(*entries))
    return target
