"""Everybody's home page opens, whatever lies on the desk."""

from ca.rights import Role


def test_the_home_page_of_every_role_opens(client, person):
    for role in Role:
        answer = client.login(person(role)).get("/")
        assert answer.status_code == 200, role


def test_the_home_page_of_strangers_opens(client):
    assert client.get("/").status_code == 200
