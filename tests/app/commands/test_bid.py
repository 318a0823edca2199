import json

import pytest
from click.testing import CliRunner

from app.commands import bid as commands
from app.commands.bid import bid
from ca.demo_ca import DemoCas
from ca.keys import KeyKind
from ca.sealing import rescue
from ca.sealing.faults import UploadRefused
from tests.ca import test_sealing_transcript as transcripts
from tests.ca.seal_vectors import BIDDER, opening

PASSPHRASE = "correct horse battery"


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    monkeypatch.setattr(rescue, "COST", {"n": 2**10, "r": 8, "p": 1})


@pytest.fixture
def desk(tmp_path):
    params, _ = opening()
    (tmp_path / "params.json").write_bytes(params.canon)
    (tmp_path / "bid.asice").write_bytes(b"price 123")
    (tmp_path / "passphrase").write_text(PASSPHRASE + "\n")
    return tmp_path


def run(*arguments, **more):
    return CliRunner().invoke(bid, [str(part) for part in arguments], **more)


def seal(desk, *more, **named):
    return run(
        "seal", desk / "bid.asice", "-o", desk / "bid.sealed", "--params", desk / "params.json", "--bidder", BIDDER,
        "--passphrase-file", desk / "passphrase", *more, **named,
    )  # fmt: skip


def unlocking(desk):
    return [
        "unlock", str(desk / "bid.sealed.rescue"), "--sealed", str(desk / "bid.sealed"),
        "--params", str(desk / "params.json"), "--passphrase-file", str(desk / "passphrase"),
    ]  # fmt: skip


def unlock(desk, *more):
    return run(*unlocking(desk), *more)


def test_seal_and_unlock(desk):
    params, _ = opening()
    told = seal(desk, "--params-hash", params.digest.hex())
    assert told.exit_code == 0, told.output
    assert b"price" not in (desk / "bid.sealed").read_bytes()

    sent = json.loads(unlock(desk).stdout)
    kept = rescue.read((desk / "bid.sealed.rescue").read_bytes(), PASSPHRASE)
    assert sent["kb"] == kept.kb.hex()
    assert sent["digest"] in told.output
    assert sent["params"] == params.digest.hex()
    assert kept.kc.hex() not in unlock(desk, "-o", desk / "unlock.json").output
    assert json.loads((desk / "unlock.json").read_text()) == sent


def test_the_rescue_file_is_for_its_owner_only(desk):
    seal(desk)
    assert (desk / "bid.sealed.rescue").stat().st_mode & 0o777 == 0o600


def test_other_parameters_than_the_notice_prints_are_refused(desk):
    told = seal(desk, "--params-hash", "00" * 32)
    assert told.exit_code == 1
    assert not (desk / "bid.sealed").exists()
    (desk / "params.json").write_text("{}")
    assert seal(desk).exit_code == 1


def test_what_cannot_be_sealed_leaves_nothing(desk):
    (desk / "passphrase").write_text("short\n")
    assert seal(desk).exit_code == 1
    assert not (desk / "bid.sealed").exists()
    assert not (desk / "bid.sealed.rescue").exists()


def test_the_passphrase_is_asked_for_twice(desk):
    told = run(
        "seal", desk / "bid.asice", "-o", desk / "bid.sealed", "--params", desk / "params.json", "--bidder", BIDDER,
        input=f"{PASSPHRASE}\n{PASSPHRASE}\n",
    )  # fmt: skip
    assert told.exit_code == 0
    assert PASSPHRASE not in told.output


def test_committee_mode_is_said_in_plain_words(desk):
    params, _ = opening(mode="committee")
    (desk / "params.json").write_bytes(params.canon)
    assert "committee" in seal(desk).stderr


def test_a_wrong_passphrase_or_another_bids_file(desk):
    seal(desk)
    (desk / "passphrase").write_text("another passphrase\n")
    told = unlock(desk)
    assert told.exit_code == 1
    assert "救援文件打不开" in told.stderr
    (desk / "passphrase").write_text(PASSPHRASE + "\n")
    kept = (desk / "bid.sealed.rescue").read_bytes()
    seal(desk)
    (desk / "bid.sealed.rescue").write_bytes(kept)
    assert "WRONG_KB" in unlock(desk).stderr


def test_a_file_that_is_not_sealed(desk):
    seal(desk)
    (desk / "bid.sealed").write_bytes(b"plain")
    with pytest.raises(UploadRefused, match="NOT_SEALED"):  # `gongheng` says it and exits 1
        CliRunner().invoke(bid, unlocking(desk), catch_exceptions=False)


def test_the_key_of_a_certificate_unlocks_too(desk):
    cas = DemoCas.make()
    mine = cas.issue("firm", "91510000MA00000019", KeyKind.SM2)
    (desk / "me.crt").write_bytes(mine.certificate_pem)
    (desk / "me.pem").write_bytes(mine.key_pem(b"secret") + mine.certificate_pem)
    (desk / "password").write_text("secret")
    assert seal(desk, "--cert", desk / "me.crt").exit_code == 0
    common = (
        "unlock", "--sealed", desk / "bid.sealed", "--params", desk / "params.json",
        "--password-file", desk / "password",
    )  # fmt: skip

    told = run(*common, "--key", desk / "me.pem")
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout) == json.loads(unlock(desk).stdout)
    seal(desk)
    refused = run(*common, "--key", desk / "me.pem")
    assert refused.exit_code == 1
    assert "这把密钥不能解密" in refused.stderr
    assert run(*common).exit_code == 2


@pytest.fixture
def held(tmp_path):
    made = transcripts.Opening(tmp_path)
    (tmp_path / "opening").mkdir()
    (tmp_path / "opening" / "transcript.json").write_bytes(made.raw())
    return made


def test_open_repeats_every_verdict(held):
    told = run("open", "--transcript", held.folder / "opening", "--files", held.files, "--output", held.folder / "out")
    assert told.exit_code == 0, told.output
    for one in held.verdicts:
        assert one.digest in told.output
    assert "NOT_UNLOCKED" in told.output
    assert "holder/H2" in told.output
    assert sorted(path.read_text() for path in (held.folder / "out").iterdir()) == ["price 0", "price 1"]


def test_open_names_the_first_wrong_item(held):
    file = held.folder / "opening" / "transcript.json"
    file.write_bytes(file.read_bytes().replace(b"CONTENT", b"PADDING"))
    told = run("open", "--transcript", held.folder / "opening", "--files", held.files)
    assert told.exit_code == 1
    assert "wrong 有误: signature" in told.output


def test_open_without_a_transcript_is_exit_2(held):
    assert run("open", "--transcript", held.files, "--files", held.files).exit_code == 2


@pytest.mark.parametrize("command", [(), ("seal",), ("unlock",), ("open",)])
def test_help_has_an_example(command):
    assert "gongheng bid" in run(*command, "--help").output


def test_no_site_or_message_ever_takes_the_rescue_file():
    """F20: only kb is sent; the command has no option that sends the file."""
    assert not hasattr(commands, "httpx")
