"""Time in a simulation: it moves only when a step moves it, and a wall clock may be set wrong."""

from budget.engine.clock import Clock

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Time:
    """What the clocks of all simulated processes show, in µs."""

    def __init__(self, wall: int) -> None:
        self.wall = wall
        self.steady = 0

    def pass_(self, microseconds: int) -> None:
        """Let time go by, on every clock."""
        self.wall += microseconds
        self.steady += microseconds

    def set_wall(self, microseconds: int) -> None:
        """Set the wall clock forward or back; no time goes by."""
        self.wall += microseconds


class SimulatedClock(Clock):
    """The clock of one process; what it makes of a jump is the real clock's own arithmetic."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self._time = time

    def now(self) -> int:
        """The simulated wall clock."""
        return self._time.wall

    def steady(self) -> int:
        """The simulated clock that nobody sets."""
        return self._time.steady
