"""What stands after `budget`, one row each: a word, what it is for, and the module that adds what follows it.

A module is loaded when its word is used, so that `budget --help` need load none. To add a group: a row here, and in
the module `add_commands(parser)`, which gives the parser commands (`parser.commands()`) or, where there are none,
arguments and `set_defaults(run=…)`. `run(settings, given)` gives an exit status of `exits`.
"""

from typing import Final, NamedTuple


class Group(NamedTuple):
    """One word of the command line."""

    name: str
    help: str
    module: str
    asks: bool = True
    """Whether it asks a running service, so that it takes `--api-url`, `--format` and what goes with them."""


GROUPS: Final = (
    Group("status", "one screen: limits, holds, alerts, neighbours", "status"),
    Group("check", "ask whether a call may be made; nothing is held", "projected"),
    Group("budgets", "named containers of limits and usage", "projected"),
    Group("policies", "what limits a budget, in which period, for whom", "projected"),
    Group("limits", "what is used, held and free in every limit", "projected"),
    Group("allocations", "holds on tokens and money, before a call and after it", "projected"),
    Group("usage", "what calls really used: record, list, correct", "projected"),
    Group("prices", "what models cost, and since when", "projected"),
    Group("reprice", "price usage anew by today's table: first what would change, then doing it", "reprice"),
    Group("models", "the table of models and their tiers", "projected"),
    Group("alerts", "levels that limits have reached", "projected"),
    Group("events", "what happened, in order", "projected"),
    Group("decisions", "why a request was granted or refused", "projected"),
    Group("keys", "API keys: who may come in, what for, until when", "projected"),
    Group(
        "notify", "who is told of alerts: webhooks, Slack, e-mail; what was sent, and what could not be", "projected"
    ),
    Group("audit", "who changed what, from what to what, when, from where", "projected"),
    Group("report", "usage by fields and over time, forecasts, and how far they can be trusted", "reports"),
    Group("export", "usage as CSV, JSON or NDJSON, or as FOCUS, in a file", "export", asks=False),
    Group("recommend", "cheaper models for a call", "projected"),
    Group("dashboard", "the figures of the first screen in one answer", "projected"),
    Group("demo", "example data in an empty ledger, marked; --remove takes it back", "demo"),
    Group("watch", "the same, live, and what happens", "watch"),
    Group("shell", "these commands at a prompt, with history and completion", "shell"),
    Group("config", "the command line's own settings, and profiles for several services", "configuring", asks=False),
    Group("completion", "the script that makes a shell complete these commands", "completion", asks=False),
    Group("call", "any operation of the service by its name", "call"),
    Group("serve", "run the service; it is configured by BUDGET_* variables", "serve", asks=False),
    Group(
        "verify",
        "rebuild every figure from the journal and compare, or check its hashes; reads only",
        "verify",
        asks=False,
    ),
    Group("db", "the database itself: upgrade, copy, back up, restore, export", "database", asks=False),
    Group("migrate", "take over what Rhetor or Apollo left on disk", "migrate", asks=False),
    Group("sim", "try to break the promises, from seeds, on databases of its own", "sim", asks=False),
    Group("start", "Tekton's word for serve", "serve", asks=False),
    Group("get-usage", "Tekton's: usage of a period, by bucket", "tekton"),
    Group("set-limit", "Tekton's: the cost limit of a period", "tekton"),
    Group("allocate", "Tekton's: create, list and release allocations", "tekton"),
    Group("calc-cost", "Tekton's: what a call would cost", "tekton"),
)
