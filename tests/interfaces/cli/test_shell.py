"""The shell on a pseudo-terminal: a person types, presses TAB, Ctrl-C and Ctrl-D, and the service comes and goes."""

import doctest
import shutil

import pytest

from budget.interfaces.cli import exits, shell
from tests.serving import serving

PROMPT = "budget> "


def test_json_is_one_word_as_it_stands_and_quotes_are_a_shell_s():
    assert doctest.testmod(shell).failed == 0
    assert shell.split("""record --usage '{"a": 1}' --json {"b": [1,\n2]} c""") == [
        "record", "--usage", '{"a": 1}', "--json", '{"b": [1,\n2]}', "c",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ['x {"a": 1', "x {", "x 'a"])
def test_what_is_open_asks_for_another_line(text):
    with pytest.raises(shell.Unfinished):
        shell.split(text)


@pytest.mark.parametrize("text", ["x {a}", 'x {"a": "b'])
def test_what_no_line_can_mend_is_refused(text):
    with pytest.raises(shell.Unreadable, match="not JSON"):
        shell.split(text)


@pytest.fixture
def prompt(terminal, address):
    started = terminal("shell", "--api-url", address)
    started.until(PROMPT)
    return started


def test_a_session_with_completion_many_lines_ctrl_c_and_ctrl_d(prompt):
    prompt.type("budgets li\t-q\n")
    assert prompt.until(PROMPT).strip().count("-") >= 4
    prompt.type('call create_budget --json {"name": "Typed",\n')
    prompt.until("...> ")
    prompt.type('"default_policies": false} -q\n')
    prompt.until(PROMPT)
    prompt.type("budgets show Typ\t")
    prompt.until("Typed")
    prompt.type("\n")
    assert "Typed" in prompt.until(PROMPT)
    prompt.type("events follow\n")
    prompt.until("follow")
    prompt.type("\x03")
    prompt.until(PROMPT)
    prompt.type("help budgets create\n")
    assert "--time-zone" in prompt.until(PROMPT)
    prompt.type("nonsense\n")
    assert "there is no command" in prompt.until(PROMPT)
    prompt.type("\x04")
    assert prompt.ended() == exits.DONE


def test_create_asks_for_what_is_missing(prompt):
    prompt.type("budgets create\n")
    prompt.until("name: ")
    prompt.type("\n")
    prompt.until("1 to 200")
    prompt.type("Asked\n")
    prompt.until("owner (empty for none): ")
    prompt.type("ann\n")
    prompt.until("time zone (empty for none): ")
    prompt.type("Mars\n")
    prompt.until("IANA")
    prompt.type("Europe/Berlin\n")
    shown = prompt.until(PROMPT)
    assert "Asked" in shown
    assert "Europe/Berlin" in shown


def test_it_asks_back_before_it_takes_something_away(prompt):
    prompt.type("budgets create Kept -q\n")
    prompt.until(PROMPT)
    prompt.type("budgets delete Kept\n")
    prompt.until("[y/N] ")
    prompt.type("n\n")
    assert "nothing was changed" in prompt.until(PROMPT)


def test_it_survives_a_restart_of_the_service(terminal, new_database, tmp_path):
    folder = tmp_path / "restarted"
    with serving(new_database, folder) as first:
        prompt = terminal("shell", "--api-url", first.address)
        prompt.until(PROMPT)
        prompt.type("budgets create Before -q\n")
        prompt.until(PROMPT)
    prompt.type("budgets list\n")
    assert "does it run?" in prompt.until(PROMPT)
    kept = shutil.copytree(folder, tmp_path / "kept")
    with serving(kept, folder, port=int(first.address.rpartition(":")[2])):
        prompt.type("budgets list\n")
        assert "Before" in prompt.until(PROMPT)


def test_history_is_kept_for_the_next_time(terminal, address, tmp_path):
    prompt = terminal("shell", "--api-url", address)
    prompt.until(PROMPT)
    prompt.type("models list --limit 1\n")
    prompt.until(PROMPT)
    prompt.type("exit\n")
    assert prompt.ended() == exits.DONE
    assert "models list" in (tmp_path / ".config" / "budget" / "history").read_text()
