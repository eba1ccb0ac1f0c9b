"""The examples, run as their readers run them: nothing is missed while the service stops and starts."""

import asyncio
import functools
import http.server
import sys
import threading
from pathlib import Path

import httpx
import pytest

from benchmarks.service import Service
from tests.e2e import chromium

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
RECORD = {
    "context_id": "c",
    "component": "x",
    "provider": "openai",
    "model": "gpt-4o",
    "input_tokens": 5,
    "output_tokens": 1,
}


def record(service):
    answer = httpx.post(f"{service.url}/api/usage/record", json=RECORD, trust_env=False)
    assert answer.status_code == 201


def newest(service):
    return httpx.get(f"{service.url}/api/events/snapshot", trust_env=False).json()["as_of_seq"]


def restart(service):
    service.stop()
    service.start()


def watch(service, *options, **more):
    command = [sys.executable, EXAMPLES / "watch.py", "--url", service.url, *options]
    return asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, **more)


async def test_the_python_example_misses_nothing_over_a_restart(tmp_path):
    async with Service(tmp_path) as service:
        before = newest(service)
        watching = await watch(service, "--after", str(before))
        mistaken = await watch(service, "--types", "nix", stderr=asyncio.subprocess.PIPE)
        try:
            record(service)
            first = await watching.stdout.readline()
            _, said = await mistaken.communicate()
            await asyncio.to_thread(restart, service)
            record(service)
            record(service)
            lines = [first, await watching.stdout.readline(), await watching.stdout.readline()]
        finally:
            watching.kill()
            await watching.communicate()
    assert [int(line.split()[0]) for line in lines] == [before + 1, before + 2, before + 3]
    assert first.split(maxsplit=2)[2].decode().split(maxsplit=1) == ["usage.recorded", "gpt-4o: 6 tokens, $0.0000225\n"]
    assert b"types: 'nix' is none of the types of events" in said


@pytest.fixture
def examples_port():
    """The examples on a web server."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=EXAMPLES))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


ROWS = """new Promise(done => {
    const look = () => {
        const rows = [...document.querySelectorAll("tr")].map(row => Number(row.dataset.seq));
        if (rows.length >= COUNT) done(rows);
    };
    new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
    look();
})"""


async def test_the_browser_example_misses_nothing_over_a_restart(tmp_path, examples_port):
    page_origin = f"http://127.0.0.1:{examples_port}"
    service = Service(tmp_path, environment={"BUDGET_CORS_ORIGINS": page_origin})
    async with service:
        before = newest(service)
        url = f"{page_origin}/watch.html?url={service.url.replace('http', 'ws')}&after={before}"
        async with chromium.started() as browser:
            page = await browser.new_page()
            await page.goto(url)
            record(service)
            assert await page.evaluate(ROWS.replace("COUNT", "1")) == [before + 1]
            await asyncio.to_thread(restart, service)
            record(service)
            record(service)
            assert await page.evaluate(ROWS.replace("COUNT", "3")) == [before + 3, before + 2, before + 1]
