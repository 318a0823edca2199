"""`gongheng bid upload` and `send` against a server whose line is cut and whose process dies."""

import json
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from app.commands import bid_upload
from app.commands.bid_upload import Line
from bidding.tenders.bids import Bid, BidState, Upload
from ca import login
from tests.bidding.tenders.sweeping import sweep

PASSWORD = "correct horse battery"


class MoodyLine(httpx.WSGITransport):
    """Cuts the line at every n-th piece: before it arrives, or after it was kept but before the answer."""

    def __init__(self, app, every=3):
        super().__init__(app=app)
        self.every, self.pieces, self.sent = every, 0, 0

    def handle_request(self, request):
        if request.method != "PATCH":
            return super().handle_request(request)
        self.pieces += 1
        self.sent += len(request.read())
        if self.pieces % self.every == 0:
            raise httpx.ConnectError("cut before", request=request)
        answer = super().handle_request(request)
        if self.pieces % self.every == 1:
            raise httpx.ReadError("cut after", request=request)
        return answer


@pytest.fixture
def line(tenders_app, stage, monkeypatch):
    """A bidder's account and a client whose line can be chosen."""
    bidder = stage.bidder()
    login.set_password(stage.db, bidder, PASSWORD)
    stage.db.flush()
    monkeypatch.setattr(bid_upload, "PIECE", 20_000)
    monkeypatch.setattr(bid_upload.time, "sleep", lambda seconds: sweep(tenders_app, stage))

    def make(transport=None):
        http = httpx.Client(transport=transport or httpx.WSGITransport(app=tenders_app), base_url="http://centre.test")
        return Line(http, bidder.login, PASSWORD)

    return bidder, make


def written(stage, folder: Path, made) -> Path:
    sealed = folder / "bid.sealed"
    sealed.write_bytes(made.file)
    sealed.with_name("bid.sealed.p7s").write_bytes(made.signature)
    return sealed


def test_over_a_line_that_is_cut_every_third_piece(stage, line, tmp_path):
    bidder, make = line
    tender = stage.published()
    made = stage.make(tender, bidder)
    sealed = written(stage, tmp_path, made)
    transport = MoodyLine(stage.app)
    steps = []
    told = bid_upload.hand_in(make(transport), tender.id, sealed, made.signature, steps.append)
    assert (told["state"], told["digest"]) == ("sealed", made.sealed.digest.hex())
    assert steps == sorted(steps)
    assert steps[-1] == len(made.file)
    assert transport.pieces > transport.every
    assert not sealed.with_name("bid.sealed.upload.json").exists()


def test_killed_in_the_middle_and_called_again(stage, line, tmp_path, monkeypatch):
    """The client dies after two pieces; the second call sends only what is missing."""
    bidder, make = line
    tender = stage.published()
    made = stage.make(tender, bidder)
    sealed = written(stage, tmp_path, made)

    class Dying(MoodyLine):
        def handle_request(self, request):
            if self.pieces == 2:
                raise KeyboardInterrupt
            return httpx.WSGITransport.handle_request(self, self._counted(request))

        def _counted(self, request):
            if request.method == "PATCH":
                self.pieces += 1
                self.sent += len(request.read())
            return request

    with pytest.raises(KeyboardInterrupt):
        bid_upload.hand_in(make(Dying(stage.app)), tender.id, sealed, made.signature)
    second = MoodyLine(stage.app, every=10**9)
    told = bid_upload.hand_in(make(second), tender.id, sealed, made.signature)
    assert told["state"] == "sealed"
    assert second.sent == len(made.file) - 2 * bid_upload.PIECE
    assert stage.db.query(Upload).count() == 1


def test_cut_for_good_says_so_and_loses_nothing(stage, line, tmp_path):
    bidder, make = line
    tender = stage.published()
    made = stage.make(tender, bidder)
    sealed = written(stage, tmp_path, made)
    with pytest.raises(bid_upload.Cut):
        bid_upload.hand_in(make(MoodyLine(stage.app, every=1)), tender.id, sealed, made.signature)
    assert bid_upload.hand_in(make(), tender.id, sealed, made.signature)["state"] == "sealed"


def run(monkeypatch, make, command, *arguments):
    monkeypatch.setattr(Line, "at", classmethod(lambda cls, server, name, password: make()))
    secret = Path(arguments[0]).with_name("pw")
    secret.write_text(PASSWORD)
    return CliRunner().invoke(
        command, [*map(str, arguments), "--login", "someone", "--password-file", str(secret)]
    )


def test_the_commands_from_upload_to_unlock(stage, line, tmp_path, monkeypatch):
    from ca import receipts
    from ca.sealing import transcript

    bidder, make = line
    tender = stage.published()
    made = stage.make(tender, bidder)
    sealed = written(stage, tmp_path, made)
    told = run(monkeypatch, make, bid_upload.upload, sealed, "--tender", tender.id)
    assert told.exit_code == 0, told.output
    receipt = receipts.read((tmp_path / "bid.sealed.receipt.json").read_bytes())
    found = receipts.check(receipt, platform=stage.key.public, digest=made.sealed.digest, size=len(made.file))
    assert (found.good, found.leaf_good, found.file_good) == (True, True, True)

    for _ in range(2):
        stage.submit(tender, stage.bidder())
    stage.frozen(tender)
    stage.db.flush()
    kb = {"params": tender.params_hash, "digest": transcript.digest_of(sealed), "kb": made.sealed.kb.hex()}
    (tmp_path / "unlock.json").write_text(json.dumps(kb))
    told = run(monkeypatch, make, bid_upload.send, tmp_path / "unlock.json", "--tender", tender.id)
    assert told.exit_code == 0, told.output
    stage.db.expire_all()
    assert stage.db.query(Bid).filter_by(digest=made.sealed.digest.hex()).one().state is BidState.UNLOCKED
    (tmp_path / "unlock.json").write_text(json.dumps(kb | {"digest": "0" * 64}))
    assert run(monkeypatch, make, bid_upload.send, tmp_path / "unlock.json", "--tender", tender.id).exit_code == 1


def test_a_refused_bid_ends_with_1_and_its_reason(stage, line, tmp_path, monkeypatch):
    bidder, make = line
    tender = stage.published()
    sealed = tmp_path / "bid.sealed"
    sealed.write_bytes(b"not sealed at all")
    told = run(monkeypatch, make, bid_upload.upload, sealed, "--tender", tender.id)
    assert (told.exit_code, "bid sign" in told.output) == (2, True)
    sealed.with_name("bid.sealed.p7s").write_bytes(stage.sign(bidder, b"not sealed at all"))
    told = run(monkeypatch, make, bid_upload.upload, sealed, "--tender", tender.id)
    assert (told.exit_code, "NOT_SEALED" in told.output) == (1, True)
