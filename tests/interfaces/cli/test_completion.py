"""What a shell is told could stand next."""

import os
import subprocess
import sys

import pytest

from budget.interfaces.cli import exits


@pytest.fixture
def completed(address, tmp_path):
    """Asks as bash does."""

    def completed(line):
        environ = {
            **os.environ,
            "BUDGET_API_URL": address,
            "_ARGCOMPLETE": "1",
            "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "said"),
            "_ARGCOMPLETE_IFS": "\n",
            "COMP_LINE": line,
            "COMP_POINT": str(len(line)),
            "COMP_TYPE": "9",
        }
        subprocess.run([sys.executable, "-P", "-m", "budget.interfaces.cli.main"], env=environ, check=False, timeout=60)
        return [word.strip() for word in (tmp_path / "said").read_text().splitlines()]

    return completed


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(run, shell):
    status, out, _ = run("completion", shell)
    assert status == exits.DONE
    assert "_ARGCOMPLETE" in out


def test_commands_options_and_words_are_completed(completed):
    assert "create" in completed("budget budgets c")
    assert "--time-zone" in completed("budget budgets create --tim")
    assert completed("budget policies list --tier remote") == ["remote_heavyweight"]


def test_ids_and_names_come_from_the_service(completed, budget):
    assert budget("budgets", "create", "Completed", "-q")[0] == exits.DONE
    assert completed("budget usage list --budget Comp") == ["Completed"]
