"""Sources as they may be found: damaged, locked, foreign, half written; each is named, and none is changed."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.migrate import USAGE
from budget.adapters.migration import apollo, json_lists, local_times, rhetor, snapshots
from budget.domain import instants
from budget.domain.importing import ImportedUsage
from budget.domain.migrations import FoundPolicy, Rejected, SourceFailed, SourceMissing
from tests import old_ledgers
from tests.old_ledgers import ZONE, a_limit, a_row, hashes

NOW = 1_764_000_000_000_000


def read(source):
    """All that an open source holds: usage, allocations, policies, notes."""
    contents = source.open(ZONE, NOW)
    try:
        usage = [item for _, part in contents.usage() for item in part]
        holds = [item for _, part in contents.holds() for item in part]
        return usage, holds, list(contents.policies()), contents
    finally:
        contents.close()


@pytest.fixture
def crashed(tmp_path):
    """A database whose writer died within a transaction that had reached the file: with a hot journal beside it."""
    path = old_ledgers.rhetor(tmp_path / "rhetor.db", [a_row(component=f"c{n}") for n in range(500)])
    _run_and_die(
        path, "PRAGMA cache_size=2", "BEGIN", "UPDATE usage SET component = 'torn' || hex(zeroblob(400)), cost = 99"
    )
    assert Path(f"{path}-journal").stat().st_size > 512
    return Path(path)


def _run_and_die(path, *statements, wait=False):
    """Another process runs these on the database and is killed, or waits to be, with its transaction open."""
    program = (
        "import os, signal, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "for statement in sys.argv[3:]: connection.execute(statement)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read() if sys.argv[2] == 'wait' else os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(path), "wait" if wait else "die", *statements],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    if not wait:
        process.communicate()
    return process


@contextlib.contextmanager
def _held(path, *statements):
    process = _run_and_die(path, *statements, wait=True)
    try:
        yield process
    finally:
        process.communicate()


def test_a_journal_beside_the_database_takes_back_what_was_never_completed(crashed):
    before = hashes(crashed.parent)
    usage, *_ = read(rhetor.Database(str(crashed)))
    assert [item.component for item in usage] == [f"c{n}" for n in range(500)]
    assert hashes(crashed.parent) == before


def test_a_log_beside_the_database_belongs_to_it(tmp_path):
    path = old_ledgers.rhetor(tmp_path / "rhetor.db", [a_row()])
    with _held(path, "PRAGMA journal_mode=WAL", "UPDATE usage SET component = 'logged'") as writer:
        assert Path(f"{path}-wal").stat().st_size > 0
        before = hashes(tmp_path)
        (item,) = read(rhetor.Database(path))[0]
        assert item.component == "logged"
        assert hashes(tmp_path) == before
        writer.kill()


@pytest.mark.parametrize("name", ["crashed", "plain"])
def test_a_folder_that_cannot_be_written_will_do(request, tmp_path, name):
    if name == "crashed":
        path = request.getfixturevalue("crashed")
    else:
        path = Path(old_ledgers.rhetor(tmp_path / "rhetor.db", [a_row()]))
    for file in tmp_path.iterdir():
        file.chmod(0o400)
    tmp_path.chmod(0o500)
    before, names = hashes(tmp_path), sorted(tmp_path.iterdir())
    try:
        assert len(read(rhetor.Database(str(path)))[0]) == (500 if name == "crashed" else 1)
        assert (hashes(tmp_path), sorted(tmp_path.iterdir())) == (before, names)
    finally:
        tmp_path.chmod(0o700)


def test_a_database_that_is_being_written_gives_what_was_committed(tmp_path):
    path = old_ledgers.rhetor(tmp_path / "rhetor.db", [a_row()])
    row = "INSERT INTO usage (timestamp, component, cost) VALUES ('2025-06-01T00:00:00', 'later', 1)"
    with _held(path, row, "BEGIN IMMEDIATE", row):
        usage, *_ = read(rhetor.Database(path))
    assert [item.component for item in usage] == ["ergon", "later"]


def test_a_database_that_stays_locked_is_named_after_a_bounded_time(tmp_path):
    path = old_ledgers.rhetor(tmp_path / "rhetor.db", [a_row()])
    locked = pytest.raises(SourceFailed, match="locked by another program")
    with _held(path, "BEGIN EXCLUSIVE"), locked, snapshots.private_copy(Path(path), lock_seconds=0.1):
        pass


def test_a_lock_of_this_very_process_counts_too(tmp_path):
    path = old_ledgers.rhetor(tmp_path / "rhetor.db", [a_row()])
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    with pytest.raises(SourceFailed, match="locked"), snapshots.private_copy(Path(path), lock_seconds=0.1):
        pass
    connection.close()


@pytest.mark.parametrize("size", [4096 * 3, 4096 * 5 + 17, 50, 1])
def test_a_truncated_database_fails_by_name_before_anything_is_used(tmp_path, size):
    path = old_ledgers.rhetor(tmp_path / "rhetor.db", [a_row(metadata="x" * 90) for _ in range(400)])
    os.truncate(path, size)
    with pytest.raises(SourceFailed, match=r"damaged|malformed|not a database"):
        rhetor.Database(path).open(ZONE, NOW)


def test_a_page_of_nonsense_within_a_database_is_found_before_anything_is_used(tmp_path):
    path = old_ledgers.rhetor(tmp_path / "rhetor.db", [a_row(metadata="x" * 90) for _ in range(400)])
    with Path(path).open("r+b") as file:
        file.seek(4096 * 8)
        file.write(bytes(range(256)) * 16)
    with pytest.raises(SourceFailed, match=r"it is damaged|malformed"):
        rhetor.Database(path).open(ZONE, NOW)


def test_empty_sources_are_sources(tmp_path):
    (tmp_path / "none.db").touch()
    sqlite3.connect(tmp_path / "no_tables.db").close()
    with sqlite3.connect(tmp_path / "first.db") as connection:
        connection.execute(USAGE)
    connection.close()
    for name in ("none.db", "no_tables.db", "first.db"):
        assert read(rhetor.Database(str(tmp_path / name)))[:3] == ([], [], [])
    (tmp_path / "apollo").mkdir()
    (tmp_path / "apollo" / "usage_records_1.json").write_text("[]")
    (tmp_path / "apollo" / "budget_policies.json").touch()
    usage, holds, policies, contents = read(apollo.Folder(str(tmp_path / "apollo")))
    assert (usage, holds, policies, contents.is_whole) == ([], [], [], True)
    assert "budget_policies.json is empty" in contents.notes


def test_foreign_files_are_told_from_old_ledgers(tmp_path):
    (tmp_path / "text.db").write_text("once upon a time " * 400)
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE bookmarks (id INTEGER)")
    with sqlite3.connect(tmp_path / "alike.db") as connection:
        connection.execute("CREATE TABLE usage (id INTEGER, bytes INTEGER)")
    connection.close()
    for name, said in (("text.db", "not a database"), ("other.db", "bookmarks"), ("alike.db", "timestamp")):
        with pytest.raises(SourceFailed, match=said):
            rhetor.Database(str(tmp_path / name)).open(ZONE, NOW)
    with pytest.raises(SourceFailed, match="not Apollo's"):
        apollo.Folder(str(tmp_path)).open(ZONE, NOW)
    for missing in (rhetor.Database(str(tmp_path / "nowhere")), apollo.Folder(str(tmp_path / "nowhere"))):
        with pytest.raises(SourceMissing):
            missing.open(ZONE, NOW)


@pytest.mark.parametrize("cut", [1, 2000, 8191, 8192, 15_000])
def test_complete_entries_before_a_break_are_recovered_and_said(tmp_path, cut):
    (folder,) = old_ledgers.copied(tmp_path, "apollo")
    file = Path(folder) / "usage_records_1749594600.json"
    text = file.read_text()
    file.write_text(text[:cut])
    whole = json.loads(text)
    entries, state = json_lists.read(file)
    assert (entries, state) == (whole[: len(entries)], "cut")
    assert len(json.dumps(whole[: len(entries) + 2])) > cut * 0.7
    usage, _, _, contents = read(apollo.Folder(folder))
    assert not contents.is_whole
    assert any(f"{len(entries)} complete entries" in note for note in contents.notes)
    assert len(usage) == len(entries) + 100 + 49


def test_a_file_that_is_no_list_fails_and_its_neighbours_go_on(tmp_path):
    (folder,) = old_ledgers.copied(tmp_path, "apollo")
    (Path(folder) / "budget_policies.json").write_text('{"error": "not found"}')
    (Path(folder) / "notes.txt").write_text("mine")
    usage, holds, policies, contents = read(apollo.Folder(folder))
    assert (len(usage), len(holds), policies, contents.is_whole) == (185, 20, [], False)
    assert any("budget_policies.json does not begin as a list" in note for note in contents.notes)
    assert any("notes.txt" in note for note in contents.notes)


def test_policies_of_loose_types_are_read_as_they_were_meant(tmp_path):
    good = {"policy_id": "p1", "type": "WARN", "period": "Daily", "tier": "heavyweight", "limit": "2000000",
            "enabled": "true", "warning_threshold": "80", "action_threshold": 7000, "component": ""}  # fmt: skip
    camel = {"policyId": "p2", "type": "hard_limit", "period": "per_task", "tier": "local_midweight", "limit": -1,
             "taskType": "chat", "metadata": {"a": float("nan")}}  # fmt: skip
    bad = [{**good, "policy_id": "p3", "tier": "cloud"}, {**good, "policy_id": "p4", "limit": 1.5}, 7, {}]
    (tmp_path / "budget_policies.json").write_text(json.dumps([good, camel, *bad]))
    policies = read(apollo.Folder(str(tmp_path)))[2]
    first, second = [each for each in policies if isinstance(each, FoundPolicy)]
    assert (first.policy.type, first.policy.period, first.policy.tier) == ("warn", "daily", "remote_heavyweight")
    assert (first.policy.token_limit, first.policy.component, first.policy.enabled) == (2_000_000, None, True)
    assert (str(first.policy.warning_threshold), str(first.policy.action_threshold)) == ("0.8", "0.95")
    assert len(first.notes) == 8
    assert (second.policy.token_limit, second.policy.task_type, second.enforced) == (0, "chat", False)
    assert "NaN" in second.policy.metadata["original"]
    assert len([each for each in policies if isinstance(each, Rejected)]) == len(bad)


def test_odd_limits_of_rhetor(tmp_path):
    limits = [
        a_limit(enforcement="BLOCK"),
        a_limit(limit_amount=3.0),
        a_limit(period="weekly", limit_amount=-1.0),
        a_limit(period="monthly", limit_amount=1e9),
        a_limit(period="yearly"),
        a_limit(period="weekly", provider=None),
        a_limit(period="weekly", provider="OpenAI", active=0),
    ]
    found = read(rhetor.Database(old_ledgers.rhetor(tmp_path / "rhetor.db", [], limits)))[2]
    kept = [
        (each.policy.period, each.policy.type, each.policy.cost_limit)
        for each in found
        if isinstance(each, FoundPolicy)
    ]
    assert kept == [("daily", "ignore", 5), ("weekly", "hard_limit", None), ("monthly", "hard_limit", 10**9)]
    assert [(each.identity[-1], each.skipped) for each in found if isinstance(each, Rejected)] == [
        ("2", True), ("5", False), ("6", False), ("7", True),
    ]  # fmt: skip


def test_a_record_is_the_same_wherever_its_file_lies_and_identical_rows_are_two(tmp_path):
    path = old_ledgers.rhetor(tmp_path / "a.db", [a_row(), a_row()])
    shutil.copy(path, tmp_path / "b.db")
    other = old_ledgers.rhetor(tmp_path / "c.db", [a_row(component="other")])
    keys = [[item.key for item in read(rhetor.Database(each))[0]] for each in (path, str(tmp_path / "b.db"), other)]
    assert keys[0] == keys[1]
    assert len({*keys[0], *keys[2]}) == 3


def test_the_hour_that_autumn_repeats_is_the_first_of_the_two(tmp_path):
    times = ["2025-11-02T00:59:59", "2025-11-02T01:30:00.000001", "2025-11-02T02:00:00", "2025-06-08T09:00:00+02:00"]
    usage = read(rhetor.Database(old_ledgers.rhetor(tmp_path / "a.db", [a_row(timestamp=each) for each in times])))[0]
    hour = 3600 * 1_000_000
    first, second, third, zoned = [item.occurred_at for item in usage]
    assert (second - first, third - second) == (hour // 2 + 1_000_001, hour + hour // 2 - 1)
    assert (zoned, usage[3].month) == (1_749_366_000_000_000, "2025-06")


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Australia/Lord_Howe", "2025-10-05"),
        ("Australia/Lord_Howe", "2025-04-06"),
        (ZONE, "2025-03-09"),
        (ZONE, "2025-11-02"),
    ],
)
def test_times_around_a_change_of_clocks_are_read_as_everywhere_else(zone, day):
    times = local_times.LocalTimes(zone)
    for hour in range(5):
        for minute in (0, 15, 29, 30, 45, 59):
            text = f"{day}T{hour:02}:{minute:02}:07.000001"
            assert times.read(text) == (instants.parse_instant(text, zone), day[:7]), text


@pytest.mark.parametrize(
    ("stored", "kept"),
    [
        ('{"context_id": "c:1", "n": [1, 2]}', {"context_id": "c:1", "n": [1, 2]}),
        ("[1, 2]", {"original": "[1, 2]"}),
        ('{"x": NaN}', {"original": '{"x": NaN}'}),
        ('{"imported": 1}', {"original": '{"imported": 1}'}),
        ("not json", {"original": "not json"}),
        (None, {}),
        ("{}", {}),
        ("{ }", {}),
    ],
)
def test_metadata_is_kept_whatever_it_is(tmp_path, stored, kept):
    (item,) = read(rhetor.Database(old_ledgers.rhetor(tmp_path / "a.db", [a_row(metadata=stored)])))[0]
    assert isinstance(item, ImportedUsage)
    fields = json.loads(item.metadata)
    assert fields.pop("imported") == {"origin": "rhetor", "id": 1, "timestamp": "2025-06-10T12:00:00.000001"}
    assert fields == kept
    assert item.context_id == kept.get("context_id")
