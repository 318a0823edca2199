"""The store is away (H9): the session is recorded all the same, and archived by itself when the store is back."""

import asyncio
import json

import aiohttp

from evaluation import evidence
from evaluation.recorder import uploads
from tests.evaluation.recorder.conftest import APP, run


def test_recorded_while_the_store_is_away_and_archived_when_it_is_back(room, signer, monkeypatch):
    monkeypatch.setattr(uploads, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(uploads, "LONGEST_PAUSE_S", 0.2)

    async def play():
        async with room() as here:
            here.store.down = True
            head = {"Authorization": f"Bearer {APP}"}
            async with aiohttp.ClientSession(headers=head) as app:
                body = {"zero": 1_795_000_000_000, "participants": []}
                async with app.post(f"{here.url}/sessions/8", json=body) as answer:
                    begun_meanwhile = answer.status
                person = here.participant("a")
                await person.publish()
                await asyncio.sleep(1.2)
                await person.leave()
                await here.session.close()
                await asyncio.sleep(0.4)
                waiting = here.recorder.health(), here.session.archived.is_set(), here.session.standing()["state"]
                here.store.down = False
                return begun_meanwhile, waiting, await here.archived()

    begun_meanwhile, (health, archived, state), files = run(play())

    assert begun_meanwhile == 201
    assert (archived, state) == (False, "closing")
    assert health["backlog_bytes"] > 10_000
    assert health["upload_failures"] > 1
    verdict = evidence.verify_recording(json.loads(files["manifest.json"]), files.get, key=signer.public)
    assert verdict.whole, verdict.bad
    assert verdict.segments == 1
