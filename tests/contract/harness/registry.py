# SPDX-License-Identifier: MIT
"""A registry on loopback, using Debian's docker-registry."""
import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.request

from .image_maker import OCI, sha256

MISSING = [p for p in ("skopeo", "docker-registry") if not shutil.which(p)]
USER, PASSWORD = "runner", "secret"
HTPASSWD = "runner:$2y$05$krm3m3JtJQWzsXHQqA06Leih0UNabkUjWjy2QbyOeayCbmT7h6A0S\n"


def free_port(address="127.0.0.1"):
    with socket.socket() as s:
        s.bind((address, 0))
        return s.getsockname()[1]


class Registry:
    """A docker-registry, and the part of its protocol that a push needs."""

    def __init__(self, path, address="127.0.0.1", users=None):
        self.path, self.host = path, f"{address}:{free_port(address)}"
        self.authorization = users and "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        path.mkdir()
        config = {"version": 0.1, "log": {"level": "error", "accesslog": {"disabled": True}},
                  "storage": {"filesystem": {"rootdirectory": str(path / "data")}}, "http": {"addr": self.host}}
        if users:
            (path / "users").write_text(users)
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(path / "users")}}
        (path / "config.yml").write_text(json.dumps(config))
        with open(path / "log", "wb") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", str(path / "config.yml")],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while True:
            try:
                self.request("GET", "/v2/")
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    self.stop()
                    raise
                time.sleep(0.05)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def request(self, method, path, data=None, kind="application/octet-stream"):
        url = path if path.startswith("http") else f"http://{self.host}{path}"
        request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": kind})
        if self.authorization:
            request.add_header("Authorization", self.authorization)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
            return answer.headers

    def push_blob(self, name, data):
        where = self.request("POST", f"/v2/{name}/blobs/uploads/", b"")["Location"]
        self.request("PUT", f"{where}{'&' if '?' in where else '?'}digest={sha256(data)}", data)

    def push_manifest(self, name, tag, data, kind=OCI + "manifest.v1+json"):
        self.request("PUT", f"/v2/{name}/manifests/{tag}", data, kind)

    def push(self, name, tag, one):
        for data in one.blobs.values():
            self.push_blob(name, data)
        self.push_manifest(name, tag, one.manifest)
        return f"{self.host}/{name}:{tag}"

    def blob_file(self, data):
        digest = sha256(data).split(":")[1]
        return self.path / "data/docker/registry/v2/blobs/sha256" / digest[:2] / digest / "data"
