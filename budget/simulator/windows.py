"""What lies in the windows of policies, as naively as possible: nothing is summed until somebody asks.

A hold or a record is put into the windows that it meets when it is booked, and into those that open over it later; a
balance is what a walk over all of them adds up to.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal

from budget.domain import policies
from budget.simulator.clock import DAY
from budget.simulator.policies import Policy, same_levels
from budget.simulator.promises import hold_to
from budget.simulator.things import NOTHING, Amounts, Level, Place, Record, Thing, negated, total, used_and_held

IDLE = 30 * DAY
"""After how long without use a session's or task's balance may be dropped (rule 2.6)."""


class Windows:
    """Policies, what lies in their windows (rules 2.5, 2.6, 4.6), and the alerts it raises (rules 2.4, 2.10, 5)."""

    def __init__(self) -> None:
        self.now = 0
        self.policies: dict[str, Policy] = {}
        self.things: list[Thing] = []
        self.contents: dict[Place, list[Thing]] = {}
        self.opened_keys: set[Place] = set()
        """The sessions and tasks that have a balance: it is made when something is first posted there."""
        self.alerts: set[Level] = set()
        """What must have been raised."""
        self.possible_alerts: set[Level] = set()
        """That, and what need not have been: say, what stood past a new limit in a window that had ended."""
        self._frozen: dict[Place, Amounts] = {}
        """Where the balances of disabled policies stay."""
        self._missed: dict[Place, Amounts] = {}
        """What was not undone, because the policy was disabled then, in windows that ended before it was enabled."""
        self._touched: dict[Place, int] = {}
        """When something was last posted in a session or a task."""

    def balance(self, place: Place) -> Amounts:
        """Used and held tokens, used and held nanocents."""
        if not self.policies[place.policy_id].enabled:
            return self._frozen.get(place, NOTHING)
        return total(self._sum(place), self._missed.get(place, NOTHING))

    def _sum(self, place: Place) -> Amounts:
        return total(*(thing.amounts() for thing in self.contents.get(place, ())))

    def places_for(self, thing: Thing) -> frozenset[Place]:
        """Where something lies that is booked now."""
        places = (policy.place_of(thing) for policy in self.policies.values())
        return frozenset(place for place in places if place is not None)

    def enter(self, thing: Thing) -> None:
        """Put a new thing where it lies; it adds nothing yet."""
        self.things.append(thing)
        self._put(thing, self.places_for(thing))

    def _put(self, thing: Thing, places: frozenset[Place]) -> None:
        for place in places - thing.places:
            self.contents.setdefault(place, []).append(thing)
        thing.places |= places

    @contextmanager
    def posting(self, *things: Thing) -> Iterator[None]:
        """Around a change of these: notes the alerts that it raises, and which of the records passed a limit."""
        places = {place for thing in things for place in thing.places if self.policies[place.policy_id].enabled}
        self._touched |= dict.fromkeys(places, self.now)
        for place in places - self.opened_keys:
            if self.policies[place.policy_id].keyed:
                self.opened_keys.add(place)
                self._note_standing(place)
        before = {place: self.balance(place) for place in places}
        yield
        over = {place for place in places if self._note_change(place, before[place], self.balance(place))}
        for thing in things:
            if over and isinstance(thing, Record) and thing.status == "current":
                thing.over_limit = True

    def told_keyed(self, stored: set[Place]) -> None:
        """Which sessions and tasks have a balance: a batch may open one, and a sweep drops idle ones (rule 2.6)."""
        for gone in self.opened_keys - stored:
            held = self.balance(gone)[1::2]
            idle = self.now - self._touched.get(gone, 0) >= IDLE and held == (0, 0)
            hold_to("P1", f"the balance of {gone.window} is gone, though it is not idle", idle, held)
        self.opened_keys = {place for place in stored if self.policies[place.policy_id].keyed}

    # Alerts

    def _note_change(self, place: Place, before: Amounts, after: Amounts) -> bool:
        """Note the levels that were reached; gives whether used + held went past a hard limit, or further past it."""
        policy, over = self.policies[place.policy_id], False
        for unit, limit, stated in policy.limits():
            (used_before, held_before), (used, held) = used_and_held(unit, before), used_and_held(unit, after)
            already, reached = policy.reached(used_before, unit, stated), policy.reached(used, unit, stated)
            self._note(place, unit, stated, already, surely=False)
            self._note(place, unit, stated, reached - already)
            if policy.hard and used + held > max(limit, used_before + held_before):
                over = True
                self._note(place, unit, stated, {None}, surely=used < limit)
        return over

    def _note_standing(self, place: Place, *, surely: bool = True) -> None:
        """Note what stands past a level when a policy is made, changed or opened (rule 2.4)."""
        policy = self.policies[place.policy_id]
        for unit, limit, stated in policy.limits():
            used, held = used_and_held(unit, self.balance(place))
            self._note(place, unit, stated, policy.reached(used, unit, stated), surely=surely)
            if policy.hard and used < limit < used + held:
                self._note(place, unit, stated, {None}, surely=surely)

    def _note(
        self, place: Place, unit: str, limit: Decimal, thresholds: Iterable[Decimal | None], *, surely: bool = True
    ) -> None:
        levels = {Level(place.policy_id, unit, limit, place.window, threshold) for threshold in thresholds}
        self.possible_alerts |= levels
        if surely:
            self.alerts |= levels

    # Policies that change

    def told_policy(self, stored: policies.Policy, zone: str, label: str) -> None:
        """A policy was made or changed."""
        policy = self.policies.get(stored.policy_id)
        if policy is not None and same_levels(policy.stored, stored):
            return
        was_enabled = policy is not None and policy.enabled
        if policy is None:
            policy = self.policies[stored.policy_id] = Policy(stored, zone, stored.updated_at, label)
        if was_enabled and not stored.enabled:
            self._frozen |= {place: self.balance(place) for place in self._places_of(policy)}
        policy.stored = stored
        if stored.enabled:
            if not was_enabled:
                self._open(policy, zone, stored.updated_at)
            self._note_what_stands(policy, stored.updated_at)

    def told_zone(self, budget_id: str, zone: str, at: int) -> None:
        """A budget's days begin at another time: the windows of its enabled policies open anew."""
        for policy in self.policies.values():
            if policy.stored.budget_id == budget_id and policy.enabled and not policy.keyed:
                self._open(policy, zone, at)
                self._note_what_stands(policy, at)

    def _open(self, policy: Policy, zone: str, at: int) -> None:
        """From now on a window that has not ended contains all that matches, earlier things too (rule 2.5)."""
        policy.earlier_zones = (*policy.earlier_zones, policy.zone)
        policy.zone, policy.opened = zone, at
        for place in self._places_of(policy):
            frozen = self._frozen.pop(place, None)
            if policy.counts(place.window, at):
                self._missed.pop(place, None)
            elif frozen is not None:
                self._missed[place] = total(frozen, negated(self._sum(place)))
        for thing in self.things:
            met = policy.place_of(thing)
            self._put(thing, frozenset() if met is None else frozenset([met]))

    def _note_what_stands(self, policy: Policy, at: int) -> None:
        for place in self._places_of(policy):
            known = place in self.opened_keys if policy.keyed else policy.counts(place.window, at)
            self._note_standing(place, surely=known)

    def _places_of(self, policy: Policy) -> list[Place]:
        return [place for place in self.contents if place.policy_id == policy.id]
