"""The commands about who is told of alerts: receivers are added, changed, tried and removed."""

from typing import Annotated, ClassVar

from msgspec import Meta

from budget.domain.access_commands import Names
from budget.domain.commands import Command, Key, Name, Word

MOST_OVERLAP_SECONDS = 30 * 86_400
DAY_SECONDS = 86_400

Address = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=2000,
        description="a web address, for email an e-mail address; only its host is shown again where it may be secret",
    ),
]
Types = Annotated[
    tuple[Word, ...],
    Meta(max_length=50, description="types or families of events, such as forecast.*; none: limit.*"),
]
Severities = Annotated[tuple[Word, ...], Meta(max_length=3, description="of info, warning, error; none: all")]
Budgets = Annotated[Names, Meta(description="ids of the only budgets it hears of; none: all")]
Components = Annotated[Names, Meta(description="the only components it hears of; none: all")]


class AddReceiver(Command, frozen=True, kw_only=True):
    """Tell someone of alerts from now on."""

    operation: ClassVar[str] = "add_receiver"
    alone: ClassVar[bool] = True

    kind: Annotated[Word, Meta(description="webhook, slack or email")]
    address: Address
    name: Name | None = None
    types: Types = ()
    severities: Severities = ()
    budgets: Budgets = ()
    components: Components = ()
    request_id: Key | None = None


class UpdateReceiver(Command, frozen=True, kw_only=True):
    """Change what a receiver hears of, or where it is."""

    operation: ClassVar[str] = "update_receiver"
    alone: ClassVar[bool] = True

    receiver_id: Name = ""
    address: Address | None = None
    name: Name | None = None
    types: Types | None = None
    severities: Severities | None = None
    budgets: Budgets | None = None
    components: Components | None = None
    enabled: bool | None = None
    request_id: Key | None = None


class RotateReceiverSecret(Command, frozen=True, kw_only=True):
    """Sign with a new secret."""

    operation: ClassVar[str] = "rotate_receiver_secret"
    alone: ClassVar[bool] = True

    receiver_id: Name = ""
    overlap_seconds: Annotated[
        int, Meta(ge=0, le=MOST_OVERLAP_SECONDS, description="how long messages carry both signatures")
    ] = DAY_SECONDS
    request_id: Key | None = None


class RemoveReceiver(Command, frozen=True, kw_only=True):
    """Tell a receiver nothing more."""

    operation: ClassVar[str] = "remove_receiver"
    alone: ClassVar[bool] = True

    receiver_id: Name = ""
    request_id: Key | None = None


class TestReceiver(Command, frozen=True, kw_only=True):
    """Send a receiver an example."""

    operation: ClassVar[str] = "test_receiver"
    alone: ClassVar[bool] = True

    receiver_id: Name = ""
    request_id: Key | None = None


class ReplayDelivery(Command, frozen=True, kw_only=True):
    """Send something once more."""

    operation: ClassVar[str] = "replay_delivery"
    alone: ClassVar[bool] = True

    delivery_id: Name = ""
    request_id: Key | None = None
