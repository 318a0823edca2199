"""S3 seen from outside: what the store relies on is enforced by the server against any client."""

import io
import socket
import urllib.request
from datetime import UTC, datetime, timedelta
from urllib.error import HTTPError

import pytest
from minio import Minio
from minio.commonconfig import GOVERNANCE, CopySource
from minio.error import S3Error
from minio.retention import Retention
from minio.versioningconfig import SUSPENDED, VersioningConfig

from storage.objects import Corrupt, OutOfReach, from_settings
from storage.objects.s3 import S3Store
from tests.storage.objects.conftest import ACCESS, SECRET

CONTENT = b"evidence" * 1000


@pytest.fixture
def store(make_store):
    return make_store("seaweedfs")


@pytest.fixture
def bucket(store):
    return store._bucket


@pytest.fixture
def attacker(weed):
    """Somebody who has the store's own keys."""
    return Minio(weed.host, ACCESS, SECRET, secure=False)


@pytest.fixture
def kept(store):
    return store.put("evidence", CONTENT, retain_until=datetime.now(UTC) + timedelta(minutes=10))


ATTACKS = {
    "destroy the version": lambda client, bucket, version: client.remove_object(bucket, "evidence", version),
    "destroy it as governor": lambda client, bucket, version: client._execute(
        "DELETE", bucket, "evidence", query_params={"versionId": version},
        headers={"x-amz-bypass-governance-retention": "true"},
    ),
    "shorten": lambda client, bucket, version: client.set_object_retention(
        bucket, "evidence", Retention("COMPLIANCE", datetime.now(UTC) + timedelta(seconds=2)), version
    ),
    "soften": lambda client, bucket, version: client.set_object_retention(
        bucket, "evidence", Retention(GOVERNANCE, datetime.now(UTC) + timedelta(days=9)), version
    ),
    "suspend versions": lambda client, bucket, version: client.set_bucket_versioning(
        bucket, VersioningConfig(SUSPENDED)
    ),
    "remove the bucket": lambda client, bucket, version: client.remove_bucket(bucket),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_retained_version_survives_those_who_have_the_keys(store, kept, attacker, bucket, attack):
    with pytest.raises(S3Error):
        ATTACKS[attack](attacker, bucket, kept.version)

    with store.open("evidence", version=kept.version) as file:
        assert file.read() == CONTENT
    assert store.stat("evidence", version=kept.version) == kept


def test_what_can_be_laid_over_a_retained_version_does_not_touch_it(store, kept, attacker, bucket):
    attacker.remove_object(bucket, "evidence")
    attacker.put_object(bucket, "evidence", io.BytesIO(b"lie"), 3)
    store.put("other", b"lie")
    attacker.copy_object(bucket, "evidence", CopySource(bucket, "other"))

    with store.open("evidence", version=kept.version) as file:
        assert file.read() == CONTENT


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_without_a_signature_neither_s3_nor_the_filer_behind_it_does_anything(weed, store, kept, bucket, method):
    s3, _, _, filer = weed.ports
    for address, refusal in (
        (f"http://127.0.0.1:{s3}/{bucket}/evidence", 403),
        (f"http://127.0.0.1:{s3}/{bucket}/evidence?versionId={kept.version}", 403),
        (f"http://127.0.0.1:{filer}/buckets/{bucket}/evidence", 404),  # its HTTP is switched off
        (f"http://127.0.0.1:{filer}/buckets/{bucket}?recursive=true", 404),
    ):
        request = urllib.request.Request(address, method=method, data=b"lie" if method == "PUT" else None)
        with pytest.raises(HTTPError) as refused:
            urllib.request.urlopen(request, timeout=5)
        assert refused.value.code == refusal
        refused.value.close()

    with store.open("evidence", version=kept.version) as file:
        assert file.read() == CONTENT


def test_a_wrong_secret_opens_nothing(weed, bucket, kept):
    with pytest.raises(S3Error):
        Minio(weed.host, ACCESS, "another-secret-for-tests", secure=False).get_object(bucket, "evidence")


def test_a_signed_link_opens_nothing_else_and_ends(store, kept):
    link = store.link("evidence", timedelta(minutes=1))
    with urllib.request.urlopen(link, timeout=5) as answer:
        assert answer.read() == CONTENT

    store.put("evidence2", b"x")
    for forged in (link.replace("/evidence?", "/evidence2?"), link.replace("Expires=60", "Expires=61"), link[:-1]):
        with pytest.raises(HTTPError) as refused:
            urllib.request.urlopen(forged, timeout=5)
        assert refused.value.code in (400, 403)
        refused.value.close()


def test_bytes_that_are_not_those_of_the_digest_are_found(store, attacker, bucket):
    store.put("ready", b"x")
    attacker.put_object(
        bucket, "forged", io.BytesIO(CONTENT), len(CONTENT), metadata={"sha256": "0" * 64, "put": "x"}
    )
    with pytest.raises(Corrupt), store.open("forged") as file:
        file.read()

    attacker.put_object(bucket, "foreign", io.BytesIO(CONTENT), len(CONTENT))
    with pytest.raises(Corrupt):
        store.open("foreign")


def test_a_put_whose_answer_was_lost_knows_its_own_work(store, monkeypatch):
    """The connection breaks after the server wrote; the client asks again and is told "taken"."""
    store.put("ready", b"x")
    client = store._client
    real = client._put_object

    def twice(*arguments):
        real(*arguments)
        return real(*arguments)

    monkeypatch.setattr(client, "_put_object", twice)

    put = store.put("a", CONTENT)

    assert store.stat("a") == put


def test_a_store_that_is_down_is_out_of_reach_and_nothing_worse(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        store = from_settings(f"s3://a:b@127.0.0.1:{taken.getsockname()[1]}/bucket?secure=0", tmp_path)
        for attempt in (lambda: store.stat("a"), lambda: store.put("a", b"x"), lambda: store.list()):
            with pytest.raises(OutOfReach):
                attempt()


def test_a_bucket_without_versions_is_not_trusted(weed, attacker, tmp_path):
    attacker.make_bucket("without-versions")
    store = S3Store(weed.host, ACCESS, SECRET, "without-versions", secure=False, spool=tmp_path / "spool")

    with pytest.raises(OutOfReach, match="keeps no versions"):
        store.put("a", b"x")


def test_large_sources_are_spooled_in_the_home_and_the_spool_is_empty_after(store, tmp_path):
    store.put("large", io.BytesIO(b"x" * (9 * 1024 * 1024)))

    assert list((tmp_path / "spool").iterdir()) == []
