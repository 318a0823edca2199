from babel.messages.pofile import read_po

from app import languages
from ca.sealing.faults import UPLOAD, Fault, UploadRefused


def test_every_refusal_of_an_upload_speaks_both_languages():
    english = {}
    for file in languages.catalogue_files():
        with file.open("rb") as source:
            english |= {str(message.id): str(message.string) for message in read_po(source) if message.id}
    for fault, reason in UPLOAD.items():
        refusal = UploadRefused(fault)
        assert fault in str(refusal)
        assert reason in str(refusal)
        assert english[reason] in refusal.sentence(lambda text: english.get(text, text))
        assert refusal.code == "upload_refused"


def test_a_fault_says_code_and_culprit():
    assert str(Fault("CONTENT", "bidder", "chunk 1")) == "CONTENT (bidder): chunk 1"
    assert str(Fault("FALSE_KEY", "holder/H1")) == "FALSE_KEY (holder/H1)"
