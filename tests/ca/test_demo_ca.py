import os

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from ca import demo_ca, paths
from ca.demo_ca import DemoCa, DemoCas, NotInProduction
from ca.keys import KeyKind, from_pem
from ca.trust import TrustList
from tests.ca.paper import AT, CODE, DAY, NAME, bidder, cas, lists


@pytest.mark.parametrize("kind", list(KeyKind))
def test_every_kind_issues_certificates_that_count(kind):
    issued = bidder(kind)

    path = paths.check(issued.certificate, trust=cas().trust, at=AT, crls=lists())

    assert path.good, path.reasons
    assert [link.kind for link in path.links] == [kind] * 3
    assert issued.certificate.credit_code() == CODE
    assert issued.certificate.holder == NAME


def test_a_ca_is_recognised_for_its_own_kind_of_key_only():
    foreign = cas().by_kind[KeyKind.RSA].issue(NAME, CODE, key=bidder(KeyKind.SM2).key, not_before=AT - DAY)

    path = paths.check(foreign.certificate, trust=cas().trust, at=AT, crls=lists())

    assert path.reasons == ("unaccepted_key",)


@pytest.mark.parametrize("kind", list(KeyKind))
def test_saved_cas_go_on_issuing_and_revoking(tmp_path, kind):
    made = DemoCas({one: DemoCa.make(one) for one in KeyKind})
    gone = made.issue(NAME, CODE, kind)
    made.by_kind[kind].revoke(gone.certificate)
    made.save(tmp_path)

    loaded = DemoCas.load(tmp_path)
    issued = loaded.issue(NAME, CODE, kind)
    now = demo_ca.clock.now()
    crls = [file.read_bytes() for file in sorted((tmp_path / "crl").iterdir())]
    trust = TrustList.from_folder(tmp_path / "trust")

    assert paths.check(issued.certificate, chain=issued.chain, trust=trust, at=now, crls=crls).good
    refused = paths.check(gone.certificate, chain=gone.chain, trust=trust, at=now, crls=crls)
    assert refused.reasons == ("revocation_revoked",)
    assert loaded.by_kind[kind].revoked.keys() == made.by_kind[kind].revoked.keys()


def test_private_keys_are_for_their_owner_only(tmp_path):
    DemoCas({kind: DemoCa.make(kind) for kind in KeyKind}).save(tmp_path)

    assert {os.stat(file).st_mode & 0o777 for file in (tmp_path / "private").iterdir()} == {0o600}


@pytest.mark.parametrize("kind", list(KeyKind))
@pytest.mark.parametrize("password", [None, b"secret"])
def test_key_goes_to_pem_and_back(kind, password):
    key = bidder(kind).key

    assert from_pem(key.to_pem(password), password).public.dump() == key.public.dump()


@pytest.mark.parametrize("kind", [KeyKind.RSA, KeyKind.ECDSA])
def test_pkcs12_holds_key_certificate_and_chain(kind):
    issued = bidder(kind)

    key, certificate, chain = pkcs12.load_key_and_certificates(issued.pkcs12(b"secret"), b"secret")

    assert certificate == issued.certificate.pyca
    assert chain == [link.pyca for link in issued.chain]
    assert key.public_key() == certificate.public_key()


def test_no_demo_ca_in_production(monkeypatch, tmp_path):
    ca = cas().by_kind[KeyKind.ECDSA]
    monkeypatch.setenv("GONGHENG_MODE", "production")

    for act in (lambda: DemoCa.make(KeyKind.ECDSA), lambda: ca.issue(NAME, CODE), lambda: DemoCas.load(tmp_path)):
        with pytest.raises(NotInProduction):
            act()
