"""JSON bodies: decoded strictly by their structs, encoded once with exact decimals.

A body is decoded by its struct alone. Only when that fails is it looked at again: for camelCase names, for fields to
leave out where those are ignored, and for the name of the field that is wrong (rule 12.1).
"""

import re
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar, cast

import msgspec

from budget.domain.errors import BudgetError, Invalid

MAX_OBJECT: Final = 16 * 1024
"""Bytes of `metadata`, or of a provider's own `usage`, as JSON."""
MAX_DEPTH: Final = 20
MAX_DIGITS: Final = 60

NUL: Final = b"\\u0000"
"""How JSON writes the one character that text may not hold; a body without it need not be searched."""

Struct = TypeVar("Struct", bound=msgspec.Struct)

encode = msgspec.json.Encoder(decimal_format="number").encode


class Malformed(BudgetError):
    """The body is not JSON."""

    code = "malformed_json"


class Body(Generic[Struct]):
    """How one struct is read from JSON."""

    def __init__(self, kind: type[Struct]) -> None:
        self.decode = msgspec.json.Decoder(kind).decode
        fields = msgspec.structs.fields(kind)
        self._fields = {field.encode_name for field in fields}
        self._snake = {camel: name for name in self._fields if (camel := _camel(name)) != name}
        self._decimals = tuple((field.name, field.default) for field in fields if "Decimal" in str(field.type))
        self._objects = tuple(name for name in ("metadata", "usage") if name in self._fields)

    def parse(self, body: bytes, *, lenient: bool = False, **path_fields: str) -> Struct:
        """The struct that a body holds, or the error that names what is wrong with it."""
        value = self.read(body, lenient=lenient)
        if NUL in body:
            refuse_nul(value)
        if not path_fields:
            return value
        for name, given in path_fields.items():
            if getattr(value, name) not in ("", None, given):
                raise Invalid(name, "differs from the one in the path")
        return msgspec.structs.replace(value, **path_fields)

    def read(self, body: bytes | msgspec.Raw, *, lenient: bool = False) -> Struct:
        """The same, but for what `refuse_nul` says and for fields from the path."""
        try:
            value = self.decode(body or b"{}")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            value = self._second_look(bytes(body), error, lenient=lenient)
        self.check(value)
        return value

    def check(self, value: Struct) -> None:
        """What a type cannot say: decimals are finite and of bearable length, objects small and shallow."""
        for name, default in self._decimals:
            amount = getattr(value, name)
            if amount is not default and amount is not None:
                _check_decimals(amount, name)
        for name in self._objects:
            content = getattr(value, name)
            if content:
                _check_object(content, name)

    def _second_look(self, body: bytes, error: Exception, *, lenient: bool) -> Struct:
        if isinstance(error, msgspec.ValidationError):
            renamed = self._renamed(body, lenient=lenient)
            if renamed is not None:
                try:
                    return self.decode(renamed)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as second:
                    error = second
        raise refusal(error) from None

    def _renamed(self, body: bytes, *, lenient: bool) -> bytes | None:
        """The same object with snake_case names, and without unknown fields where those are ignored."""
        try:
            given = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        names = {name: known for name in given if (known := self._name(name, given)) in self._fields or not lenient}
        if len(names) == len(given) and all(name == known for name, known in names.items()):
            return None
        return msgspec.json.encode({known: given[name] for name, known in names.items()})

    def _name(self, name: str, given: dict[str, msgspec.Raw]) -> str:
        known = self._snake.get(name, name)
        return name if known in given else known


_bodies: dict[type, Any] = {}


def body_of(kind: type[Struct]) -> Body[Struct]:
    """The reader of a struct, made once."""
    if kind not in _bodies:
        _bodies[kind] = Body(kind)
    return cast("Body[Struct]", _bodies[kind])


def refuse_nul(value: Any, field: str = "") -> None:
    """Text with a NUL in it cannot be stored everywhere, and nobody means it: `Invalid` names where it is."""
    if isinstance(value, msgspec.Struct):
        value = {name: getattr(value, name) for name in value.__struct_fields__}
    if isinstance(value, str):
        if "\0" in value:
            raise Invalid(field or "body", "must not contain the NUL character")
    elif isinstance(value, dict):
        for name, item in value.items():
            refuse_nul(str(name), field or str(name).replace("\0", ""))
            refuse_nul(item, f"{field}.{name}" if field else str(name))
    elif isinstance(value, list | tuple):
        for at, item in enumerate(value):
            refuse_nul(item, f"{field}[{at}]")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _check_decimals(value: Any, field: str) -> None:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise Invalid(field, "must be a finite number")
        _, digits, exponent = value.as_tuple()
        if len(digits) > MAX_DIGITS or abs(int(exponent)) > MAX_DIGITS:
            raise Invalid(field, f"has more than {MAX_DIGITS} digits")
    elif isinstance(value, tuple):
        for at, item in enumerate(value):
            _check_decimals(item, f"{field}[{at}]")


def _check_object(content: dict[str, Any], field: str) -> None:
    if _deeper_than(content, MAX_DEPTH):
        raise Invalid(field, f"is nested more than {MAX_DEPTH} deep")
    if len(encode(content)) > MAX_OBJECT:
        raise Invalid(field, f"is larger than {MAX_OBJECT:,} bytes")


def _deeper_than(value: Any, depth: int) -> bool:
    if isinstance(value, dict):
        return depth == 0 or any(_deeper_than(item, depth - 1) for item in value.values())
    if isinstance(value, list):
        return depth == 0 or any(_deeper_than(item, depth - 1) for item in value)
    return False


# What msgspec says about a value that does not fit, such as "Expected `int`, got `str` - at `$.records[2].tokens`".
_PLACE = re.compile(r" - at (?:`key` in )?`\$(.*)`$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*?)`$", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*?)`$", re.DOTALL)


def refusal(error: Exception) -> BudgetError:
    """What is wrong with a value that does not fit, and with which field."""
    if isinstance(error, msgspec.ValidationError):
        return _invalid(str(error))
    if isinstance(error, RecursionError):
        return Malformed("the body is nested too deeply")
    if isinstance(error, UnicodeDecodeError):
        return Malformed("the body is not UTF-8")
    return Malformed(f"the body is not JSON: {str(error).removeprefix('JSON is malformed: ')}")


def _invalid(message: str) -> Invalid:
    place = _PLACE.search(message)
    what, path = (message[: place.start()], place[1].lstrip(".")) if place else (message, "")
    for pattern, said in ((_MISSING, "is required"), (_UNKNOWN, "is not a field of this request")):
        if named := pattern.match(what):
            field = f"{path}.{named[1]}" if path else named[1]
            return Invalid(field[:200], said)
    what = what.replace("`", "")
    return Invalid(path[:200] or "body", what[:1].lower() + what[1:])
