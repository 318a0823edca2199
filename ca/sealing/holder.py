"""The key holder's own gate 密钥持有人的闸门: what must hold before a key leaves its holder, ever.

A `Holder` is a folder on the holder's own machine. It makes a fresh key for every opening, signs the join,
and gives a key out once everything it was promised is true by its own clock and its own eyes. Bids and
draws have separate gates, and no key passes through the wrong one. What it has signed first it keeps on
disk before it answers: for the same params it never signs another pool, nor other roots.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ca import canonical, ecdsa
from ca.ecdsa import Key, PlatformKey
from ca.sealing import messages
from ca.sealing.faults import MayNotRelease, ParamsWrong
from ca.sealing.params import DRAW, TWO_LOCK, Params, base_of, is_hex, moment
from ca.tagged import H
from storage import clock

Dict = dict[str, Any]
Holds = Callable[[bytes, bytes], bool]  # (message, signature) → is it the one who must have signed?


@dataclass(frozen=True)
class Join:
    """What a holder sends to take its seat."""

    pk: bytes  # the key of this opening
    sig: bytes  # the holder's standing signing key
    join: bytes  # signature of sig over base ‖ pk ‖ sig
    ready: bytes  # signature of pk over base


@dataclass(frozen=True)
class Release:
    """What a holder sends when its gate has opened."""

    key: bytes = field(repr=False)  # the private key of this opening
    signature: bytes  # of the signing key, over the pool's commitment or over the roots and the key


class Holder:
    """One holder with its folder. Everything in it is for its owner only."""

    def __init__(self, folder: Path, name: str, *, now: Callable[[], datetime] = clock.now) -> None:
        self.folder, self.name, self._now = folder, name, now
        (folder / "openings").mkdir(mode=0o700, parents=True, exist_ok=True)
        self._signing = PlatformKey.at(folder, "signing")

    @property
    def public(self) -> bytes:
        """The standing signing key, by which others know this holder."""
        return self._signing.public

    def join(self, terms: Dict) -> Join:
        """Take a seat: a fresh key for exactly these terms (params with holders = [id, …]).

        The same terms give the same key, any change of them another one. Raises `MayNotRelease` for terms
        without this holder, ParamsWrong for terms that are none.
        """
        base = check_terms(terms)
        if self.name not in terms["holders"]:
            raise MayNotRelease(f"{self.name} has no seat in this opening")
        with self._state(base) as state:
            if "key" not in state:
                state |= {"opening": terms["opening"], "mode": terms["mode"], "key": Key.make().scalar.hex()}
            key = Key(bytes.fromhex(state["key"]))
        # In draws the signing key is part of what is joined; for bids it takes the certificate's place.
        joined = messages.join(base, key.public, self.public)
        return Join(key.public, self.public, self._signing.sign(joined), key.sign(messages.ready(base)))

    def ready(self, params: Params) -> bytes:
        """The signature that says the key is still here (again 24 hours before a tender's deadline)."""
        with self._state(params.base) as state:
            return self._key(state, params).sign(messages.ready(params.base))

    def extend(self, params: Params, times: tuple[str, str, str], signature: bytes, holds: Holds) -> None:
        """Note a signed extension; only later times, and the latest counts. Raises `MayNotRelease`."""
        with self._state(params.base) as state:
            try:
                message = messages.extend(params, deadline=times[0], unlock_until=times[1], release_until=times[2])
                messages.check_later(self._times(state, params), times)
            except ParamsWrong as error:
                raise MayNotRelease(str(error)) from error
            if not holds(message, signature):
                raise MayNotRelease("the extension is not signed by who may extend")
            state["times"] = list(times)

    def release_draw(self, params: Params, evidence: Mapping[str, Any]) -> Release:
        """The gate for draws. evidence: {notice, notice_signatures, pool, pool_signature}, plain and hex.

        Opens when params and key are ours, our clock is past the deadline, notice and pool are signed by
        the platform we know (the first one we met), the pool is of this notice and these params, and no
        other pool was ever signed. Raises `MayNotRelease` with the reason.
        """
        with self._state(params.base) as state:
            if params.mode != DRAW:
                raise MayNotRelease("a bid key never leaves through the gate for draws")
            key = self._key(state, params)
            self._past(state, params, "deadline")
            pc = self._pool_shown(params, evidence)
            self._once(state, params, {"pool": pc.hex()})
            return Release(key.scalar, self._signing.sign(H("release", pc)))

    def release_bids(self, params: Params, evidence: Mapping[str, Any], close_holds: Holds) -> Release:
        """The gate for bids. evidence: {freeze: {root}, unlocks: {root}, close: {signature}}, hex.

        Opens when params and key are ours, our clock is past unlock_until, and the supervisor's close holds
        over exactly these params and roots, and no other roots were ever shown. Raises `MayNotRelease`.
        """
        with self._state(params.base) as state:
            if params.mode == DRAW:
                raise MayNotRelease("a draw key never leaves through the gate for bids")
            key = self._key(state, params)
            self._past(state, params, "unlock_until")
            freeze, unlocks, signature = _roots(evidence)
            if not close_holds(messages.close(params.digest, freeze, unlocks), signature):
                raise MayNotRelease("the supervisor has not signed the close over these roots")
            self._once(state, params, {"freeze": freeze.hex(), "unlocks": unlocks.hex()})
            message = messages.release(
                params.digest, freeze_root=freeze, unlock_root=unlocks, holder=self.name, key=key.scalar
            )
            return Release(key.scalar, self._signing.sign(message))

    def destroy(self, params: Params) -> bytes:
        """Forget an unreleased key for good, and the signed word that it is done. Raises `MayNotRelease`."""
        with self._state(params.base) as state:
            if "signed" in state:
                raise MayNotRelease("this key was released")
            if "key" in state:
                state["public"] = Key(bytes.fromhex(state.pop("key"))).public.hex()
            self._check_seat(params, state.get("public", ""))
            return self._signing.sign(messages.destroy(params.digest, holder=self.name))

    # what the gates ask

    def _key(self, state: Dict, params: Params) -> Key:
        if "key" not in state:
            raise MayNotRelease("no key was made for these terms, or it is destroyed")
        key = Key(bytes.fromhex(state["key"]))
        self._check_seat(params, key.public.hex())
        return key

    def _check_seat(self, params: Params, public: str) -> None:
        try:
            seat = params.holders[params.place(self.name)]
        except ParamsWrong as error:
            raise MayNotRelease(str(error)) from error
        if seat.pk.hex() != public or (params.mode == DRAW and seat.sig != self.public):
            raise MayNotRelease("the seat in these params is not ours")

    def _times(self, state: Dict, params: Params) -> tuple[str, str, str]:
        was = state.get("times") or [params.deadline, params.unlock_until, params.release_until]
        return was[0], was[1], was[2]

    def _past(self, state: Dict, params: Params, which: str) -> None:
        until = moment(self._times(state, params)[("deadline", "unlock_until").index(which)])
        if self._now().astimezone(UTC) < until:
            raise MayNotRelease(f"our clock says it is before {which}, {until:%Y-%m-%d %H:%M:%S} UTC")

    def _pool_shown(self, params: Params, evidence: Mapping[str, Any]) -> bytes:
        try:
            notice, pool, signers = evidence["notice"], evidence["pool"], evidence["notice"]["signers"]
            named = H("notice", canonical.encode(notice))
            pc = H("pool", canonical.encode(pool))
            bound = (notice["params"], notice["opening"], pool["notice"], pool["project"])
            signed = [
                ecdsa.verify(_raw(signers[who]), H("notice-sig", named), _raw(evidence["notice_signatures"][who]))
                for who in ("owner", "platform")
            ]
            signed.append(ecdsa.verify(_raw(signers["platform"]), H("pool-sig", pc), _raw(evidence["pool_signature"])))
            platform = signers["platform"]
        except (KeyError, TypeError, canonical.NotCanonical) as error:
            raise MayNotRelease("what was shown is no notice and pool") from error
        if bound != (params.digest.hex(), params.opening, named.hex(), notice["project"]):
            raise MayNotRelease("the pool is not of this notice and these params")
        if not all(signed) or platform != self._platform(platform):
            raise MayNotRelease("notice or pool is not signed by the platform we know")
        return pc

    def _platform(self, shown: str) -> str:
        """The platform's key as we first met it, or as our owner wrote it into the folder."""
        file = self.folder / "platform.pub"
        if not file.exists():
            _write(file, shown)
        return file.read_text().strip()

    def _once(self, state: Dict, params: Params, what: Dict) -> None:
        """First wins: kept on disk before anything is signed."""
        meant = {"params": params.digest.hex(), **what}
        if state.setdefault("signed", meant) != meant:
            raise MayNotRelease("something else was signed for these params before")

    @contextmanager
    def _state(self, base: bytes) -> Iterator[Dict]:
        """The state of one opening, locked, and written back before the caller sees an answer."""
        file = self.folder / "openings" / f"{base.hex()}.json"
        with (self.folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state: Dict = json.loads(file.read_text()) if file.exists() else {}
            before = json.dumps(state)
            yield state
            after = json.dumps(state)
            if after != before:
                _write(file, after)


def join_holds(params: Params, place: int, joined: Join) -> bool:
    """Is this the join of that seat? A bidder's client asks it of all n seats before it seals."""
    seat = params.holders[place]
    if seat.pk != joined.pk or (params.mode == DRAW and seat.sig != joined.sig):
        return False
    message = messages.join(params.base, joined.pk, joined.sig)
    ready = messages.ready(params.base)
    return ecdsa.verify(joined.sig, message, joined.join) and ecdsa.verify(joined.pk, ready, joined.ready)


def check_terms(terms: Any) -> bytes:
    """The base of terms whose keys do not exist yet, when they are sound. Raises `ParamsWrong`."""
    ids = terms.get("holders") if isinstance(terms, dict) else None
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids) or len(ids) > 9:
        raise ParamsWrong("terms name their holders")
    # Sound terms are sound params once keys stand in them; any distinct points serve for the check.
    points = [ecdsa.public_of((place + 1).to_bytes(32)).hex() for place in range(2 * len(ids))]
    seats = [{"id": one, "pk": points[2 * place]} for place, one in enumerate(ids)]
    if terms.get("mode") == DRAW:
        seats = [seat | {"sig": points[2 * place + 1]} for place, seat in enumerate(seats)]
    params = Params.of(terms | {"holders": seats})
    if params.mode == TWO_LOCK and params.n - params.m < 2:
        raise ParamsWrong("n − m ≥ 2 for tenders")
    return base_of(terms)


def _roots(evidence: Mapping[str, Any]) -> tuple[bytes, bytes, bytes]:
    try:
        freeze, unlocks = evidence["freeze"]["root"], evidence["unlocks"]["root"]
        signature = evidence["close"]["signature"]
    except (KeyError, TypeError) as error:
        raise MayNotRelease("freeze, unlocks and close must be shown") from error
    if not is_hex(freeze, 32) or not is_hex(unlocks, 32):
        raise MayNotRelease("a root is 32 bytes")
    return _raw(freeze), _raw(unlocks), _raw(signature)


def _raw(text: Any) -> bytes:
    if not is_hex(text):
        raise MayNotRelease("not lower-case hex")
    return bytes.fromhex(text)


def _write(file: Path, text: str) -> None:
    """Durable before it counts: written beside, synced, renamed."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    os.replace(draft, file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
