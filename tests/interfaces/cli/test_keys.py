"""`budget keys first`, `budget verify`, `budget db backup`: what an operator does on the database itself."""

import json
import shutil

import pytest

from budget.domain import keys


@pytest.fixture
def own(run, tmp_path, new_database, monkeypatch):
    shutil.copy(new_database / "budget.db", tmp_path / "own.db")
    monkeypatch.setenv("BUDGET_DB_PATH", str(tmp_path / "own.db"))
    return run


def test_the_first_key_is_made_while_the_service_stands_still(own):
    status, secret, error = own("keys", "first", "ops")
    assert status == 0, error
    assert len(secret.strip()) == keys.SECRET_LENGTH
    assert [own("verify")[0], own("verify", "--chain")[0]] == [0, 0]


def test_beside_a_running_service_it_says_what_to_do(run, monkeypatch, address, folder):
    monkeypatch.setenv("BUDGET_DB_PATH", str(folder / "budget.db"))
    status, _, error = run("keys", "first")
    assert status == 1
    assert "--api-url" in error


def test_a_running_service_is_asked_for_keys(run, address):
    asked = ("--api-url", address, "--format", "json")
    status, made, error = run("keys", "create", "apollo", "--scopes", "record", *asked)
    assert status == 0, error
    key = json.loads(made)
    assert key["key"].startswith(key["prefix"])
    listed = run("keys", "list", *asked)[1]
    assert key["key_id"] in listed
    assert key["key"] not in listed
    changed = run("audit", *asked)[1]
    assert json.loads(changed)["items"][0]["subject"] == key["key_id"]


def test_an_export_is_verified_without_the_database_and_a_backup_is_taken(own, tmp_path):
    journal, copy = tmp_path / "journal.ndjson", tmp_path / "copy.db"
    assert own("db", "export", str(journal))[0] == 0
    assert own("verify", str(journal))[0] == 0
    journal.write_bytes(journal.read_bytes().replace(b"anonymous", b"anonymouz").replace(b'"system"', b'"sistem"', 1))
    status, found, _ = own("verify", str(journal))
    assert (status, json.loads(found)["altered"]["first_seq"]) == (1, 1)
    assert [own("db", "export", str(journal))[0], own("db", "backup", str(journal))[0]] == [1, 1]
    assert own("db", "backup", str(copy))[0] == 0
    assert json.loads(own("db", "restore", str(copy))[1])["differences"] == 0
