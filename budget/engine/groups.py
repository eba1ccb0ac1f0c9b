"""Commands that wait for the writer, in the groups in which they came."""

import asyncio

from budget.domain.errors import BudgetError
from budget.engine.loading import Outcome, Submission


class Group:
    """Submissions that belong to one request and are answered together."""

    __slots__ = ("alone", "future", "submissions")

    def __init__(self, submissions: list[Submission], future: asyncio.Future[list[Outcome]]) -> None:
        self.submissions = submissions
        self.future = future
        self.alone = any(submission.command.alone for submission in submissions)


def submissions_of(groups: list[Group]) -> list[Submission]:
    """All of them, in order."""
    return [submission for group in groups for submission in group.submissions]


def answer(groups: list[Group], outcomes: list[Outcome]) -> None:
    """Give each group its outcomes."""
    at = 0
    for group in groups:
        if not group.future.done():
            group.future.set_result(outcomes[at : at + len(group.submissions)])
        at += len(group.submissions)


def fail(group: Group, error: BudgetError) -> None:
    """Give a group an error instead."""
    if not group.future.done():
        group.future.set_exception(error)
