"""How time goes on between steps: mostly a little, often to just where something begins or ends."""

from collections.abc import Iterator

from budget.simulator.calendar import clock_window
from budget.simulator.chance import Chance
from budget.simulator.clock import DAY, HOUR, SECOND, Time
from budget.simulator.model import Model


def move_on(time: Time, model: Model, chance: Chance) -> None:
    """Let time go by until the next step."""
    time.pass_(-time.wall % SECOND)
    chance.weighted(((64, _a_little), (30, _to_an_edge), (4, _hours), (2, _until_sessions_are_idle)))(
        time, model, chance
    )


def _a_little(time: Time, _: Model, chance: Chance) -> None:
    time.pass_(chance.one_of((1, 1, 2, 5, 30, 60, 300, 1200)) * SECOND)


def _to_an_edge(time: Time, model: Model, chance: Chance) -> None:
    """To just before, at, or just after an instant at which something ends and something else begins."""
    reach = chance.one_of((2 * HOUR, 2 * HOUR, 2 * HOUR, 27 * HOUR))
    edges = [edge for edge in _edges(time, model) if time.wall < edge <= time.wall + reach]
    if edges:
        time.pass_(chance.labelled(edges) + chance.one_of((-1, -SECOND, 0, 0, SECOND)) - time.wall)


def _hours(time: Time, _: Model, chance: Chance) -> None:
    time.pass_(chance.one_of((1, 3, 9, 25)) * HOUR)


def _until_sessions_are_idle(time: Time, _: Model, __: Chance) -> None:
    time.pass_(31 * DAY)


def _edges(time: Time, model: Model) -> Iterator[int]:
    for hold in model.holds.values():
        if hold.active:
            yield hold.expires_at
    for policy in model.policies.values():
        if not policy.keyed:
            yield clock_window(policy.stored.period, policy.zone, time.wall)[1]
