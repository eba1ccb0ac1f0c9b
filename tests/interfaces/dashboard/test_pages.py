"""The dashboard's files, as a browser asks for them."""

import re

import pytest

from budget.interfaces.dashboard import pages

MOST_BYTES = 150_000
BROWSER = {"Accept": "text/html,application/xhtml+xml"}


async def test_the_root_is_a_page_for_people_and_a_document_for_programs(client):
    page = await client.get("/", headers=BROWSER)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert (await client.get("/")).json()["name"] == "Budget"


@pytest.mark.parametrize("path", sorted(pages.files()))
async def test_each_file_is_sent_and_then_only_when_it_changed(client, path):
    first = await client.get(f"/dashboard/{path}")
    assert first.content == pages.files()[path].content
    assert "default-src 'none'" in first.headers["content-security-policy"]
    again = await client.get(f"/dashboard/{path}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["nothing.js", "pages.py", "../../settings.py", "%2e%2e/__init__.py"])
async def test_nothing_else_is_sent(client, path):
    assert (await client.get(f"/dashboard/{path}")).status_code == 404


def test_all_of_it_is_small():
    assert sum(len(file.content) for path, file in pages.files().items() if not path.endswith(".txt")) < MOST_BYTES


def test_nothing_comes_from_elsewhere():
    ours = {path: file.content.decode() for path, file in pages.files().items() if not path.startswith("vendor/")}
    named = {path: re.findall(r"https?://(?!www\.w3\.org/2000/svg)[^\s\"'`)]+", text) for path, text in ours.items()}
    assert {path: found for path, found in named.items() if found} == {}


def test_every_file_that_the_page_names_is_there():
    texts = "\n".join(file.content.decode() for path, file in pages.files().items() if "vendor" not in path)
    named = set(re.findall(r"/dashboard/([\w./]+\.\w+)", texts))
    assert named
    assert named <= pages.files().keys()
