"""The desktop's side against a server that says what it likes: nothing is lost, no token leaves, one clear line."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from commands import upload
from scoring.portal.keeping import bring_back
from sim.errors import MachineError, UsageError


@contextmanager
def server(status=200, body=b"{}", **headers):
    heard = []

    class Says(BaseHTTPRequestHandler):
        def do_GET(self):
            heard.append((self.path, dict(self.headers)))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_POST = do_GET

        def log_message(self, *_):
            """Silent."""

    one = ThreadingHTTPServer(("127.0.0.1", 0), Says)
    thread = threading.Thread(target=one.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{one.server_port}", heard
    one.shutdown()
    one.server_close()
    thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x",
        "http://portal.example.org",
        "portal.example.org",
        "https://",
        "javascript:alert(1)",
        "http://127.0.0.1.evil.example",
    ],
)
def test_only_https_or_this_machine(url):
    with pytest.raises(UsageError, match="expected an address"):
        upload.check_address(url)


def test_an_address_keeps_no_path():
    assert upload.check_address("https://portal.example.org/p/x?y#z") == "https://portal.example.org"


def test_a_token_is_not_carried_elsewhere():
    with server() as (there, heard), server(302, b"", Location=there + "/steal") as (here, _):
        with pytest.raises(upload.Answered) as answer:
            upload.call(here, token="secret")
        assert answer.value.status == 302 and heard == []


def test_an_answer_that_is_no_json_is_no_success():
    with server(502, b"<html>bad gateway") as (url, _), pytest.raises(upload.Answered, match="status 502"):
        upload.call(url)


def test_a_portal_that_is_away():
    with pytest.raises(MachineError, match="nothing is lost"):
        upload.call("http://127.0.0.1:9/")


def test_signed_in_nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("SCOTTIE_KEYS", str(tmp_path))
    with pytest.raises(UsageError, match="not signed in"):
        upload.load_account()
    (tmp_path / "portal.json").write_text(json.dumps({"url": "x"}))
    with pytest.raises(UsageError, match="not signed in"):
        upload.load_account()


def test_the_account_is_for_its_owner_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("SCOTTIE_KEYS", str(tmp_path / "keys"))
    account = upload.Account("https://x", "t", "p-1", "spine")
    upload._keep(account)
    assert upload.load_account() == account
    assert upload.account_path().stat().st_mode & 0o077 == 0


def test_clocks_that_differ_are_told(capsys):
    upload._compare_clocks("2020-01-01T00:00:00Z")
    assert "minutes apart" in capsys.readouterr().out
    upload._compare_clocks("nonsense")
    assert capsys.readouterr().out == ""


def test_restore_takes_backups_only(tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(UsageError, match="no backup"):
        bring_back(tmp_path / "other", tmp_path / "new")
    with pytest.raises(UsageError, match="is there already"):
        bring_back(tmp_path / "other", tmp_path)
