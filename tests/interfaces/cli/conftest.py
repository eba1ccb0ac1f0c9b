"""The command line without anything of this machine's: no settings of its user, no file of theirs."""

import os

import pytest

from budget import log, settings


@pytest.fixture(autouse=True)
def nobody_s_settings(monkeypatch, tmp_path):
    """A home of its own, and no variables."""
    for name in list(os.environ):
        if name.startswith(("BUDGET_", "TEKTON_")) and name != "BUDGET_TEST_FULL":
            monkeypatch.delenv(name)
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="module", autouse=True)
def silence():
    """A service in this process logs nothing between the lines of the command."""
    log.configure(settings.load({"HOME": "/nowhere"}).model_copy(update={"log_level": "OFF"}))
