"""Everything has a command, and every command stands in the reference."""

from pathlib import Path

from budget.interfaces.cli import completion, groups, parsers, projected, reference
from budget.operations.catalogue import CATALOGUE

BY_HAND = {
    "record_usage_batch": "usage batch",
    "migrate": "migrate rhetor",
    "undo_migration": "migrate undo",
    "reprice_usage": "reprice",
    **{
        f"report_{kind.replace('-', '_')}": f"report {kind}"
        for kind in ("summary", "trend", "top", "forecast", "burn-down", "coverage")
    },
}
"""Operations whose commands do more than ask them."""


def commands():
    whole = parsers.parser()
    for group in completion.groups(whole):
        named = completion.groups(group.filled())
        yield from (f"{group.word} {command.word}" for command in named) if named else (group.word,)


def test_every_operation_has_a_command():
    there = set(commands())
    projected_ones = {verb.operation: f"{verb.group} {verb.word}".strip() for verb in projected.VERBS}
    for operation in CATALOGUE:
        assert (projected_ones | BY_HAND)[operation.name] in there


def test_every_command_says_what_it_does():
    for group in groups.GROUPS:
        assert group.help


def test_the_reference_is_what_the_parsers_say():
    assert Path("docs/reference/cli.md").read_text() == reference.document()


def test_help_of_the_whole_loads_nothing_that_is_slow():
    import subprocess
    import sys

    program = (
        "import sys; from budget.interfaces.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "slow = ('sqlalchemy', 'httpx', 'pydantic', 'msgspec', 'rich', 'asyncio')\n"
        "print([name for name in slow if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"
