"""Balances: used and held of one policy in one window, and what a posting changes of them."""

from collections.abc import Iterable
from typing import NamedTuple

from budget.domain import money, policies
from budget.domain.configuration import Line, PostingSet
from budget.domain.errors import Invalid
from budget.domain.policies import Policy, Threshold

BalanceKey = tuple[str, str]
"""A policy's id, and the key of its window."""

MAX_AMOUNT = money.MAX_NANOCENTS


class Balance:
    """Used and held of one policy in one window, with the levels at which something happens precomputed."""

    __slots__ = (
        "changed",
        "held_cost",
        "held_tokens",
        "next_cost",
        "next_tokens",
        "policy_id",
        "touched_at",
        "used_cost",
        "used_tokens",
        "window_key",
    )

    def __init__(
        self, policy_id: str, window_key: str, amounts: tuple[int, int, int, int], policy: Policy | None
    ) -> None:
        self.policy_id = policy_id
        self.window_key = window_key
        self.used_tokens, self.held_tokens, self.used_cost, self.held_cost = amounts
        self.changed = False
        self.next_tokens = policies.UNLIMITED
        self.next_cost = policies.UNLIMITED
        if policy is not None:
            self.next_tokens = policies.next_level(policy.token_thresholds, self.used_tokens)
            self.next_cost = policies.next_level(policy.cost_thresholds, self.used_cost)

    @property
    def amounts(self) -> tuple[int, int, int, int]:
        """Used tokens, held tokens, used nanocents, held nanocents."""
        return self.used_tokens, self.held_tokens, self.used_cost, self.held_cost


class Crossing(NamedTuple):
    """A balance that reached a level, or went past a hard limit."""

    policy: Policy
    window_key: str
    unit: str
    threshold: Threshold | None
    amount: int


Posting = tuple["Lines", int, int, int, int]
"""Where, and the four deltas: used tokens, held tokens, used cost, held cost."""


class Lines:
    """The balances that a posting set names for one session and task, each with its policy and window."""

    __slots__ = ("balances", "changed", "hard", "own", "posting_set", "shared")

    def __init__(
        self,
        posting_set: PostingSet,
        own: list[tuple[Line, Balance]],
        shared: "Lines | None" = None,
    ) -> None:
        self.posting_set = posting_set
        self.shared = shared
        """The balances of the same posting set that every session and task shares."""
        self.own = own
        self.balances: list[tuple[Line, Balance]] = own if shared is None else [*shared.balances, *own]
        self.hard = [pair for pair in self.balances if pair[0].policy.is_hard]
        self.changed = False

    def are_those_of(self, context_id: str | None, task_id: str | None) -> bool:
        """Whether the set's session and task lines, read with these ids, name just these balances."""
        keyed = [] if self.shared is None else [balance.window_key for _, balance in self.own]
        return keyed == [key for _, key in self.posting_set.keyed_keys(context_id, task_id)]


def check_amounts(postings: Iterable[Posting]) -> None:
    """Raise `Invalid` when a posting would take an amount out of 64 bits (rule 8.4)."""
    for lines, used_tokens, held_tokens, used_cost, held_cost in postings:
        deltas = (used_tokens, held_tokens, used_cost, held_cost)
        for _, balance in lines.balances:
            if any(abs(amount + delta) > MAX_AMOUNT for amount, delta in zip(balance.amounts, deltas, strict=True)):
                raise Invalid("cost", "a balance cannot hold more than 92 million dollars or 2**63 - 1 tokens")
