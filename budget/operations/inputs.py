"""How a request of the catalogue is read from JSON or from query parameters, and described as a JSON schema."""

import functools
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from budget.domain.errors import Invalid
from budget.operations import bodies
from budget.operations.bodies import Struct
from budget.operations.catalogue import Operation

DECIMAL: Final = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?[0-9]{1,20}(\.[0-9]+)?$"}]}
"""Decimals may be sent as numbers or as text."""


def from_body(operation: Operation, body: bytes, path_fields: Mapping[str, str] = {}, *, lenient: bool = False) -> Any:
    """The request that JSON holds; fields named in the path come from the path."""
    parser = bodies.body_of(operation.request)
    return _whole(parser.parse(body, lenient=lenient or operation.lenient, **path_fields))


def from_texts(operation: Operation, texts: Mapping[str, str | list[str]]) -> Any:
    """The request that parameters hold, each of them text, or several texts under one name."""
    return _whole(from_parameters(operation.request, texts))


def from_parameters(kind: type[Struct], texts: Mapping[str, str | list[str]]) -> Struct:
    """The same for a request that is no operation's."""
    for name in texts:
        if name not in kind.__struct_encode_fields__:
            accepted = ", ".join(sorted(kind.__struct_encode_fields__)) or "none"
            raise Invalid(name[:200], f"is not a parameter of this request; it takes: {accepted}")
    try:
        value = msgspec.convert(dict(texts), kind, strict=False)
    except msgspec.ValidationError as error:
        raise bodies.refusal(error) from None
    bodies.refuse_nul(value)
    bodies.body_of(kind).check(value)
    return value


def _whole(value: Struct) -> Struct:
    """REST has the ids in its paths, so their default is ""; elsewhere they are fields that must be there."""
    for name in ids_of(type(value)):
        if not getattr(value, name):
            raise Invalid(name, "is required")
    return value


@functools.cache
def lists_of(kind: type[msgspec.Struct]) -> frozenset[str]:
    """The fields that a parameter may give several times."""
    fields = schema_of(kind)["properties"].items()
    return frozenset(name for name, described in fields if described.get("type") == "array")


_ids: dict[type, tuple[str, ...]] = {}


def ids_of(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields that a path names."""
    if kind not in _ids:
        _ids[kind] = tuple(field.name for field in msgspec.structs.fields(kind) if field.default == "")
    return _ids[kind]


def schema_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON schema of a request, without references: its ids are required, its decimals numbers or text."""
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]
    properties = {name: _with_decimals(described) for name, described in schema["properties"].items()}
    for name in ids_of(kind):
        properties[name].pop("default", None)
    return {**schema, "properties": properties, "required": [*ids_of(kind), *schema["required"]]}


def _with_decimals(schema: Any) -> Any:
    if isinstance(schema, dict):
        if schema.get("format") == "decimal":
            return {**{name: value for name, value in schema.items() if name not in ("type", "format")}, **DECIMAL}
        return {name: _with_decimals(value) for name, value in schema.items()}
    if isinstance(schema, list):
        return [_with_decimals(item) for item in schema]
    return schema
