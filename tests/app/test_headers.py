"""How long an answer lives: files with a fingerprint for ever, others until asked again, people's pages never."""

from ca.rights import Role


def test_a_file_with_its_fingerprint_lives_for_ever(client):
    answer = client.get("/static/css/gongheng.css?v=0123456789")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_a_file_without_is_asked_for_again(client):
    answer = client.get("/static/css/gongheng.css")
    again = client.get("/static/css/gongheng.css", headers={"If-None-Match": answer.headers["ETag"]})

    assert answer.headers["Cache-Control"] == "no-cache"
    assert (again.status_code, again.headers["Cache-Control"]) == (304, "no-cache")


def test_what_is_not_there_is_not_kept_for_ever(client):
    answer = client.get("/static/css/none.css?v=0123456789")

    assert (answer.status_code, answer.headers["Cache-Control"]) == (404, "no-cache")


def test_a_persons_page_is_kept_by_nobody(client, person):
    client.login(person(Role.SUPERVISOR))

    assert client.get("/").headers["Cache-Control"] == "no-store"
