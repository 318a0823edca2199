"""The other sides of letters: a mail server that speaks SMTP and an SMS gateway that speaks HTTP, on loopback."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Mailbox:
    """What the mail server has taken. `moods`: answers to the next messages, e.g. "451 later"."""

    address: str = ""
    taken: list[tuple[str, list[str], EmailMessage]] = field(default_factory=list)
    moods: list[str] = field(default_factory=list)


class _Mail(socketserver.StreamRequestHandler):
    """As much of SMTP (RFC 5321) as a client needs to hand over a mail."""

    ANSWERS = {"EHLO": "250 sink", "QUIT": "221 bye", "DATA": "354 go on"}

    def handle(self) -> None:
        self.say("220 sink")
        while line := self.rfile.readline().decode().strip():
            word = line.split(":")[0].upper()
            if word == "MAIL FROM":
                self.sender, self.to = _address(line), []
            elif word == "RCPT TO":
                self.to.append(_address(line))
            self.say(self.ANSWERS.get(word.split()[0], "250 ok"))
            if word == "DATA":
                self.take()

    def take(self) -> None:
        box: Mailbox = self.server.box  # type: ignore[attr-defined]
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line[1:] if line.startswith(b"..") else line)
        if box.moods:
            self.say(box.moods.pop(0))
            return
        box.taken.append((self.sender, self.to, message_from_bytes(b"".join(lines), policy=policy.default)))
        self.say("250 taken")

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


def _address(line: str) -> str:
    return line.partition("<")[2].partition(">")[0]


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    box, server = Mailbox(), socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail)
    server.box = box  # type: ignore[attr-defined]
    with _serving(server) as port:
        box.address = f"smtp://127.0.0.1:{port}"
        yield box


@dataclass
class Gateway:
    """What the SMS gateway was handed; `status` of its next answers."""

    address: str = ""
    status: int = 200
    taken: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def sms_gateway() -> Iterator[Gateway]:
    gateway = Gateway()

    class Talk(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802 – the library's name
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if gateway.status == 200:
                gateway.taken.append(body)
            self.send_response(gateway.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Talk)) as port:
        gateway.address = f"http://127.0.0.1:{port}/send"
        yield gateway


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[int]:
    server.daemon_threads = True  # type: ignore[attr-defined]
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
