"""`budget reprice`, against a running service: first what would change, then doing it, and only once."""

import json

from budget.interfaces.cli import exits

STRETCH = ("reprice", "--from", "2020-01-01", "--to", "2030-01-01", "--format", "json")
PRICE = ("prices", "set", "acme", "repriced", "--effective-date", "2020-01-01", "--output", "0")


def reprice(budget, *words):
    status, out, err = budget(*STRETCH, *words)
    return status, json.loads(out) if out else None, err


def test_it_rehearses_asks_and_does_it_once(budget):
    budget(*PRICE, "--input", "0.001")
    call = ("--provider", "acme", "--model", "repriced", "--component", "docs", "--context-id", "c")
    budget("usage", "record", *call, "--input-tokens", "1000", "--output-tokens", "0")
    budget(*PRICE, "--input", "0.003")
    _, told, _ = reprice(budget, "--model", "repriced", "--dry-run")
    assert (told["dry_run"], told["totals"]["difference"]) == (True, 2)
    status, _, err = reprice(budget, "--model", "repriced")
    assert (status, "--yes" in err) == (exits.USAGE, True)
    _, done, _ = reprice(budget, "--model", "repriced", "--yes")
    assert (done["dry_run"], done["rows"]) == (False, told["rows"])
    assert reprice(budget, "--yes")[1]["rows"] == []
