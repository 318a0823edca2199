"""The stores that the suite runs on: a folder, and a SeaweedFS started for it."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.error import HTTPError, URLError

import pytest

from storage.objects import from_settings

ACCESS, SECRET = "gongheng-test", "a-secret-for-tests-only"


class Weed:
    """One SeaweedFS on loopback ports of its own; ended by its process number, without mercy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "data").mkdir()
        (folder / "id.json").write_text(json.dumps({"identities": [{
            "name": "test", "credentials": [{"accessKey": ACCESS, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }]}))
        self.ports = _free_ports(4)
        self.host = f"127.0.0.1:{self.ports[0]}"
        s3, master, volume, filer = self.ports
        self.process = subprocess.Popen(
            [
                Path(sys.executable).with_name("weed"), "server", f"-dir={folder / 'data'}",
                "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
                "-s3", f"-s3.port={s3}", f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}",
                f"-s3.config={folder / 'id.json'}", "-s3.allowDeleteBucketNotEmpty=false", "-filer.disableHttp",
                "-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=0",
            ],
            cwd=folder, env={"PATH": os.environ["PATH"], "HOME": str(folder), "GOMEMLIMIT": "400MiB"},
            stdout=(folder / "weed.log").open("wb"), stderr=subprocess.STDOUT,
        )

    def wait(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            assert self.process.poll() is None, (self.folder / "weed.log").read_text()[-2000:]
            try:
                urllib.request.urlopen(f"http://{self.host}/", timeout=1).close()
                return
            except HTTPError as answer:
                answer.close()
                return
            except (URLError, OSError):
                time.sleep(0.1)
        raise AssertionError((self.folder / "weed.log").read_text()[-2000:])

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def _free_ports(count):
    """Ports whose gRPC twin (10,000 above) is free, too."""
    found = []
    while len(found) < count:
        with socket.socket() as one, socket.socket() as twin:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            if port + 10_000 > 65_535 or port in found:
                port = 20_000 + secrets.randbelow(20_000)
                if one.close() or port in found:
                    continue
            try:
                twin.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            found.append(port)
    return found


@pytest.fixture(scope="session")
def weed(tmp_path_factory):
    server = Weed(tmp_path_factory.mktemp("weed"))
    try:
        server.wait()
        yield server
    finally:
        server.end()


@pytest.fixture
def make_store(request, tmp_path):
    """Makes stores of one kind; the same name is the same store."""

    def make(kind, name="store", **options):
        query = "".join(f"&{key}={value}" for key, value in options.items())
        if kind == "folder":
            return from_settings(f"folder:{name}?{query}", tmp_path)
        host = request.getfixturevalue("weed").host
        bucket = f"{name}-{abs(hash(tmp_path))}"
        return from_settings(f"s3://{ACCESS}:{SECRET}@{host}/{bucket}?secure=0{query}", tmp_path)

    return make


@pytest.fixture(params=["folder", "seaweedfs"])
def kind(request):
    return request.param


@pytest.fixture
def store(kind, make_store):
    return make_store(kind)
