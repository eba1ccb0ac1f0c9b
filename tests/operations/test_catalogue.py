"""Every operation of the catalogue, through every interface, with the same input: the answers are the same."""

import inspect

import msgspec
import pytest

from budget.interfaces.mcp import handling, messages, tools
from budget.interfaces.rest.hot import ENDPOINTS
from budget.interfaces.rest.routes import ROUTES
from budget.operations import inputs
from budget.operations.catalogue import BY_NAME, CATALOGUE
from tests.walking import CALLS, HOT, walking


@pytest.fixture(scope="module")
def walk(new_database, tmp_path_factory):
    with walking(new_database, tmp_path_factory.mktemp("walk")) as walk:
        yield walk


@pytest.mark.parametrize("operation", CATALOGUE, ids=lambda operation: operation.name)
def test_it_answers_alike_over_rest_messages_tools_and_the_command_line(walk, operation, capsys):
    asked = walk.asked(operation)
    answer = handling.as_object(walk.rest(operation, asked))
    message = walk.message(operation, asked)
    typed = handling.as_object(walk.command_line(operation, asked, capsys))
    if operation.name == "record_usage":  # Tekton's own message says more
        message, typed = ({name: said[name] for name in answer} for said in (message, typed))
    assert message == answer
    assert walk.tool(operation, asked) == answer
    assert typed == answer


def test_a_repeated_command_says_over_rest_that_it_is_one(walk):
    key = {"Idempotency-Key": "again"}
    sent = {"name": "Again", "default_policies": False}
    answers = [walk.client.post("/api/budgets", json=sent, headers=key) for _ in range(2)]
    policy = {"type": "warn", "period": "hourly", "token_limit": 9}
    answers += [walk.client.post("/api/policies", json=policy, headers=key) for _ in range(2)]
    replayed = [answer.headers.get("idempotency-replayed") for answer in answers]
    assert replayed == [None, "true", None, "true"]


def test_each_operation_is_reached_by_every_interface():
    names = set(BY_NAME)
    assert len(names) == len(CATALOGUE)
    assert {route.operation for route in ROUTES} | set(HOT) == names
    assert set(HOT.values()) == set(ENDPOINTS)
    assert {f"budget.{name}" for name in names} <= set(messages.HANDLERS)
    assert names <= set(tools.TOOLS)
    assert names == set(CALLS)


@pytest.mark.parametrize("operation", CATALOGUE, ids=lambda operation: operation.name)
def test_each_says_what_it_is(operation):
    assert operation.description.endswith(".")
    assert inspect.getdoc(operation.request)
    schema = inputs.schema_of(operation.request)
    assert set(schema["properties"]) == {field.encode_name for field in msgspec.structs.fields(operation.request)}
    assert set(inputs.ids_of(operation.request)) <= set(schema["required"])
