"""The public check page: a code as people type it, or the file itself; nothing else is ever confirmed."""

import io

from app.documents import views


def test_a_code_is_read_as_people_type_it(city, issued, client):
    document, _ = issued(city.issued().file, "supermarket_project.notice_issued")
    plain = document.code.replace("-", "")

    for typed in (document.code, plain, plain.lower(), f" {document.code.lower()} ", document.code.replace("-", " ")):
        answer = client.post("/verify/", data={"code": typed})
        assert answer.status_code == 303
        assert answer.headers["Location"].endswith(f"/verify/{document.code}")


def test_an_unknown_code_says_so(client):
    page = client.post("/verify/", data={"code": "AAAA-BBBB-CCCC"})
    program = client.api("GET", "/verify/AAAA-BBBB-CCCC")

    assert page.status_code == 404
    assert views.UnknownCode.says in page.get_data(as_text=True)
    assert (program.status_code, program.json["code"]) == (404, "unknown_code")


def test_the_file_itself_is_compared_byte_by_byte(city, issued, client):
    document, pdf = issued(city.issued().file, "supermarket_project.notice_issued")

    same = client.post("/verify/file", data={"file": (io.BytesIO(pdf), "notice.pdf")})
    assert same.status_code == 303
    assert "一个字节也不差" in client.get(same.headers["Location"]).get_data(as_text=True)
    changed = client.post("/verify/file", data={"file": (io.BytesIO(pdf + b"\n"), "notice.pdf")})
    assert changed.status_code == 422
    assert views.NotOurs.says in changed.get_data(as_text=True)
    assert document.code not in changed.get_data(as_text=True)


def test_no_file_chosen(client):
    answer = client.post("/verify/file", data={})

    assert answer.status_code == 422
    assert views.NoFile.says in answer.get_data(as_text=True)


def test_programs_get_digest_and_whether_it_is_in_force(city, issued, client):
    document, _ = issued(city.issued().file, "supermarket_project.notice_issued")

    told = client.api("GET", f"/verify/{document.code}").json

    assert (told["sha256"], told["kind"], told["void_at"]) == (document.sha256, "selection_notice", None)


def test_the_page_speaks_english_too(client):
    assert "Check a document" in client.get("/verify/?lang=en").get_data(as_text=True)
