"""`budget migrate` as its users type it: on the file itself, through the service, rehearsed, undone."""

import json
from pathlib import Path

import pytest

from budget.engine.verification import verify
from budget.interfaces.cli.main import main
from budget.storage import statements
from budget.storage.database import Database
from tests import old_ledgers
from tests.guarded import guarding
from tests.old_ledgers import ZONE, a_limit, a_row
from tests.serving import serving


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of one's own, with nothing in it."""
    monkeypatch.setenv("BUDGET_DB_PATH", str(tmp_path / "budget.db"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TZ", raising=False)
    return tmp_path


def run(capsys, *words):
    status = main(["migrate", *words])
    said = capsys.readouterr()
    return status, said.out, said.err


def count(folder):
    database = Database(f"sqlite:///{folder / 'budget.db'}")
    try:
        return database.read_now(statements.value, "SELECT COUNT(*) FROM usage_records WHERE status = 'current'")
    finally:
        database.close()


def test_a_ledger_is_taken_over_reported_and_taken_back(place, capsys):
    path = old_ledgers.rhetor(place / "rhetor.db", [a_row(), a_row(cost=None)], [a_limit(provider="all")])
    status, out, _ = run(capsys, "rhetor", path, "--time-zone", ZONE, "--report", str(place / "report.json"))
    assert status == 0
    assert "usage: 2 found, 2 imported, 0 already present, 0 skipped, 0 invalid" in out
    assert "Rhetor never checked" in out
    report = json.loads((place / "report.json").read_text())
    assert (report["state"], report["time_zone"], count(place)) == ("complete", ZONE, 2)
    assert run(capsys, "undo", report["migration_id"])[0] == 0
    assert count(place) == 0
    assert verify(f"sqlite:///{place / 'budget.db'}")["differences"] == 0


def test_a_rehearsal_on_nothing_leaves_nothing(place, capsys):
    path = old_ledgers.rhetor(place / "rhetor.db", [a_row()])
    status, out, _ = run(capsys, "rhetor", path, "--dry-run", "--json")
    assert status == 0
    assert json.loads(out)["sources"][0]["usage"]["would_import"] == 1
    assert [file.name for file in place.iterdir()] == ["rhetor.db"]


def test_a_rehearsal_on_a_ledger_writes_nothing_to_it(place, capsys):
    path = old_ledgers.rhetor(place / "rhetor.db", [a_row()])
    run(capsys, "rhetor", path)
    before = (place / "budget.db").read_bytes()
    old_ledgers.rhetor(place / "rhetor.db", [a_row(component="new")])
    status, out, _ = run(capsys, "rhetor", path, "--dry-run")
    assert status == 0
    assert "2 found, 1 would be imported, 1 already present" in out
    assert (place / "budget.db").read_bytes() == before


@pytest.mark.parametrize(
    ("rows", "more", "status"),
    [([a_row()], [], 0), ([a_row(timestamp="?")], [], 6), ([a_row()], ["nowhere.db"], 6), (None, ["nowhere.db"], 7)],
)
def test_the_exit_status_says_whether_all_was_accounted_for(place, capsys, rows, more, status):
    paths = [] if rows is None else [old_ledgers.rhetor(place / "rhetor.db", rows)]
    assert run(capsys, "rhetor", *paths, *more)[0] == status


def test_the_usual_places_are_looked_at_when_none_is_named(place, capsys):
    usual = place / ".tekton" / "data" / "rhetor"
    usual.mkdir(parents=True)
    old_ledgers.rhetor(usual / "budget.db", [a_row()])
    status, out, _ = run(capsys, "rhetor", "--json")
    found = {Path(source["path"]).name: source["state"] for source in json.loads(out)["sources"]}
    assert (status, found) == (0, {"budget.db": "complete", "rhetor.db": "absent"})


def test_what_is_wrong_is_said_in_one_line(place, capsys):
    assert run(capsys, "rhetor", "--time-zone", "Mars/Olympus")[::2] == (
        1, "budget: 'Mars/Olympus' is not a time zone such as Europe/Berlin\n",
    )  # fmt: skip
    assert run(capsys, "undo", "nobody")[2] == "budget: there is no migration 'nobody'\n"
    status, _, err = run(capsys, "undo", "x", "--api-url", "http://127.0.0.1:9")
    assert (status, "no answer of Budget's from http://127.0.0.1:9" in err) == (4, True)


def test_while_the_service_runs_it_does_the_work(place, new_database, capsys, monkeypatch):
    path = old_ledgers.rhetor(place / "rhetor.db", [a_row()])
    with serving(new_database, place) as service:
        monkeypatch.setenv("BUDGET_PORT", service.address.rpartition(":")[2])
        monkeypatch.setenv("BUDGET_HOST", "127.0.0.1")
        status, out, err = run(capsys, "rhetor", path, "--json")
        assert (status, "the service runs" in err) == (0, True)
        migration_id = json.loads(out)["migration_id"]
        assert run(capsys, "undo", migration_id, "--api-url", service.address, "--json")[0] == 0
        status, _, err = run(capsys, "apollo", path, "--api-url", service.address, "--time-zone", "x")
        assert (status, "time zone" in err) == (1, True)
    assert count(place) == 0


@pytest.mark.parametrize("named", ["BUDGET_API_URL", "profile"])
def test_the_service_that_the_user_named_does_the_work_with_the_user_s_key(
    place, new_database, capsys, monkeypatch, named
):
    path = old_ledgers.rhetor(place / "rhetor.db", [a_row(provider=None)])
    with guarding(new_database, place / "guarded") as service:
        if named == "profile":
            main(["config", "set", "api_url", service.running.address])
        else:
            monkeypatch.setenv("BUDGET_API_URL", service.running.address)
        assert run(capsys, "rhetor", path)[0] == 5
        monkeypatch.setenv("BUDGET_API_KEY", service.key("admin")["key"])
        capsys.readouterr()
        status, out, err = run(capsys, "rhetor", path, "--time-zone", ZONE)
    assert (status, err, "2025-06 no provider: 1 records" in out) == (0, "", True)


def test_apollos_folder_is_taken_over(place, capsys):
    (folder,) = old_ledgers.copied(place, "apollo")
    status, out, _ = run(capsys, "apollo", folder, "--time-zone", ZONE, "--as-warn")
    assert status == 0
    assert "usage: 185 found, 149 imported, 36 already present" in out
    assert "policies: 16 found, 16 imported" in out
