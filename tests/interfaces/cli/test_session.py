"""A service that is down, slow, of another version, not Budget at all, or wants another key; and a reader that goes."""

import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading

import pytest

from budget.interfaces.cli import exits


@contextlib.contextmanager
def answering(status, body, *, version="0.0.9", component="budget", holding=None):
    """Something on a real socket that answers everything so, but its health as Budget does."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self._send(200, {"component": component, "version": version, "status": "healthy"})

        def do_POST(self):
            if holding is not None:
                holding.wait()
            keys.append(self.headers.get("X-API-Key"))
            self._send(status, body)

        def _send(self, status, body):
            content = json.dumps(body).encode() if isinstance(body, dict) else body
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with contextlib.suppress(BrokenPipeError):
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    keys: list[str | None] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", keys
    finally:
        if holding is not None:
            holding.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_service_that_is_down_is_said_with_the_next_step(run):
    for words in (["budgets", "list"], ["events", "follow"], ["watch"]):
        status, out, err = run(*words, "--api-url", "http://127.0.0.1:9")
        assert (status, out, err.count("\n")) == (exits.UNREACHABLE, "", 1)
        assert "does it run?" in err


def test_a_slow_service_is_said_with_how_to_wait_longer(run):
    with answering(200, {}, holding=threading.Event()) as (url, _):
        status, _, err = run("budgets", "list", "--api-url", url, "--timeout", "0.05")
    assert status == exits.UNREACHABLE
    assert "--timeout" in err


def test_a_wrong_key_is_not_allowed(run):
    problem = {"status": 401, "detail": "the API key is not known", "code": "authentication_error"}
    with answering(401, problem) as (url, keys):
        status, out, err = run("budgets", "list", "--api-url", url, "--api-key", "bk-1")
    assert (status, out, keys) == (exits.NOT_ALLOWED, "", ["bk-1"])
    assert "the API key is not known" in err
    assert "bk-1" not in err


def test_another_version_is_named_when_it_cannot_do_what_is_asked(run):
    problem = {"status": 404, "detail": "there is no tool 'list_budgets'", "code": "resource_not_found"}
    with answering(404, problem) as (url, _):
        status, _, err = run("budgets", "list", "--api-url", url)
    assert status == exits.FAILED
    assert "Budget 0.0.9, this command 0.1.0" in err


def test_what_is_not_budget_is_not_taken_for_it(run):
    for status, body in ((200, b"<html>hello</html>"), (404, b"nothing"), (500, b"")):
        with answering(status, body, component="hermes") as (url, _):
            ended, _, err = run("budgets", "list", "--api-url", url)
        assert ended == exits.UNREACHABLE
        assert "is not Budget" in err


@pytest.mark.parametrize("url", ["localhost:8013", "ftp://localhost", "http://", "http://a b"])
def test_an_address_that_is_none_is_a_wrong_command_line(run, url):
    status, _, err = run("budgets", "list", "--api-url", url)
    assert status == exits.USAGE
    assert "http://localhost:8013" in err


def test_a_reader_that_has_gone_ends_it_quietly(address):
    reading, writing = os.pipe()
    os.close(reading)  # as `head` does when it has enough
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "budget", "prices", "list", "--format", "csv"],
        env={**os.environ, "BUDGET_API_URL": address},
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (exits.DONE, b"")
