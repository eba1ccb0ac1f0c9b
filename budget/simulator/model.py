"""What the ledger should be, as naively as possible: lists of holds and records, and what is true of models and prices.

The model is told every command and its outcome (`judging`). It takes nothing from the ledger but ids and instants.
"""

from fractions import Fraction

from budget.simulator.clock import SECOND
from budget.simulator.counts import Counts, Price
from budget.simulator.promises import agree, hold_to
from budget.simulator.things import NAMED, Hold, Record
from budget.simulator.windows import Windows

SOON = SECOND // 1000
"""Batches of one moment are a microsecond apart."""


class Model(Windows):
    """What the ledger should be, at `now`."""

    def __init__(self, worst: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.budgets: dict[str, str] = {}
        """Their time zones."""
        self.holds: dict[str, Hold] = {}
        self.records: list[Record] = []
        """In the order of their journal entries."""
        self.prices: dict[tuple[str, str], list[Price]] = {}
        self.tiers: dict[tuple[str, str], str] = {}
        self.stand_ins: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
        self.worst = None if worst is None else _flat(*worst)
        """At what a model without a price is held and booked, where that is set (rule 8.2)."""
        self._step = 0
        self._labels = 0

    def begin(self, step: int) -> None:
        """From here on things are made by this step."""
        self._step, self._labels = step, 0

    def label(self) -> str:
        """A name for the next thing of this step."""
        self._labels += 1
        return f"{self._step}.{self._labels}"

    def zone(self, budget_id: str | None) -> str:
        """Where the days of a budget's policies begin; global ones keep universal time."""
        return "UTC" if budget_id is None else self.budgets[budget_id]

    def record(self, record_id: str) -> Record:
        """The record of this id."""
        return next(record for record in self.records if record.id == record_id)

    def charge_of(self, hold: Hold) -> Record:
        """The provisional charge that a hold ended with."""
        return next(record for record in self.records if record.provisional and record.hold is hold)

    def is_now(self, at: int) -> bool:
        """Whether an instant is that of the batch."""
        return 0 <= at - self.now < SOON

    # Models and prices

    def tier(self, provider: str, model: str) -> str:
        """Which tier a model belongs to."""
        return self.tiers.get((provider, model), "remote_heavyweight")

    def price(self, provider: str, model: str, at: int) -> Price | None:
        """The price in force at an instant."""
        found = (price for price in self.prices.get((provider, model), ()) if price.effective_at <= at)
        open_ = (price for price in found if price.end_at is None or at < price.end_at)
        return max(open_, key=lambda price: price[:2], default=None)

    def told_price(self, provider: str, model: str, price: Price, stated: int | None) -> None:
        """A price was set. A model's first dates from its earliest unpriced usage, any other from now (rule 8.2)."""
        prices = self.prices.setdefault((provider, model), [])
        named = [record for record in self.records if (record.provider, record.model) == (provider, model)]
        waiting = [record.occurred_at for record in named if record.unpriced and record.status == "current"]
        if stated is not None:
            agree("P8", "when a price begins", stated, price.effective_at)
        elif waiting and not prices:
            agree("P6", "when a model's first price begins", min(waiting), price.effective_at)
        else:
            hold_to("P8", "a price begins now", self.is_now(price.effective_at), price.effective_at)
        prices.append(price._replace(number=len(prices)))
        self.price_usage()

    def price_usage(self) -> None:
        """Price what was booked without a price, in the order in which it was booked."""
        for record in self.records:
            if record.unpriced and record.status == "current":
                price = self.price(record.provider, record.model, record.occurred_at)
                if price is not None:
                    with self.posting(record):
                        record.price, record.unpriced, record.estimated = price, False, False
                        record.cost = record.counts.cost(price)

    # The end of holds that are due (rule 4.3)

    def expire(self) -> None:
        """End what is due: a call that has started and drawn nothing is charged, anything else frees what is left."""
        due = [hold for hold in self.holds.values() if hold.active and hold.expires_at <= self.now]
        for hold in sorted(due, key=lambda hold: (hold.expires_at, hold.id)):
            if hold.state == "started" and hold.records == 0:
                self._charge_provisionally(hold)
            else:
                with self.posting(hold):
                    hold.end("expired")

    def _charge_provisionally(self, hold: Hold) -> None:
        charge = Record(
            **{name: getattr(hold, name) for name in NAMED},
            label=self.label(),
            id=None,
            hold=hold,
            booked_at=hold.booked_at,
            occurred_at=hold.booked_at,
            price=hold.price,
            unpriced=hold.unpriced,
            counts=Counts(other=hold.tokens),
            cost=hold.cost,
            provisional=True,
        )
        self.enter(charge)
        self.records.append(charge)
        with self.posting(hold, charge):
            charge.status = "current"
            hold.end("provisional")


def _flat(given: int, made: int) -> Price:
    rates = {"input": Fraction(given), "output": Fraction(made)}
    return Price(0, 0, None, rates, Fraction(0))
