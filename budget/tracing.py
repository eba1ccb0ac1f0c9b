"""With TEKTON_DEBUG every call of a public function is told: its arguments, how long it took (wire contract 13).

The functions are wrapped while their modules are imported, all of them in the packages below: a module that is written
tomorrow is traced without knowing of it, and without TEKTON_DEBUG nothing is wrapped, so nothing is paid.
"""

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import reprlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType, ModuleType
from typing import Any, Final

from budget.log import get_logger, redact

TAGS: Final[Mapping[str, str]] = {
    "budget.engine": "budget_engine",
    "budget.storage": "budget_repository",
    "budget.operations": "budget_api",
    "budget.adapters.hermes": "budget_hermes",
    "budget.adapters.price_catalogue": "price_manager",
    "budget.adapters.rhetor": "rhetor_adapter",
    "budget.adapters.apollo": "apollo_adapter",
    "budget.adapters.migration": "migration",
    "budget.adapters.notifications": "budget_notifications",
    "budget.interfaces.rest": "budget_api",
    "budget.interfaces.dashboard": "budget_api",
    "budget.interfaces.mcp": "mcp_endpoints",
    "budget.interfaces.ws": "budget_websocket",
    "budget.interfaces.cli": "budget_cli",
}
"""Under which name in the log the functions of a package are told; the longest that fits."""

_QUIET: Final = frozenset(("budget.storage.statements", "budget.engine.clock"))
"""Called so often in each batch that their lines would bury the others; who calls them is told."""

_shown: Final = reprlib.Repr()
_shown.maxstring = _shown.maxother = 120


def install() -> None:
    """Trace what is imported from now on."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def tag_of(module: str) -> str | None:
    """The name in the log of a module's calls; None for one that is not traced."""
    fitting = [package for package in TAGS if module == package or module.startswith(package + ".")]
    return TAGS[max(fitting, key=len)] if fitting else None


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if tag_of(fullname) is None or fullname in _QUIET:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)  # resources are read through it

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        trace(module)


def trace(module: ModuleType) -> None:
    """Wrap the public functions and methods that a module defines."""
    tag = tag_of(module.__name__) or module.__name__
    for name, value in list(vars(module).items()):
        if getattr(value, "__module__", None) != module.__name__ or name.startswith("_"):
            continue
        if isinstance(value, FunctionType):
            setattr(module, name, _traced(value, tag))
        elif inspect.isclass(value):
            for attribute, member in list(vars(value).items()):
                if isinstance(member, FunctionType) and not attribute.startswith("_"):
                    setattr(value, attribute, _traced(member, tag))


def _traced(function: FunctionType, tag: str) -> Callable[..., Any]:
    log = get_logger(tag)
    name = f"{function.__module__.removeprefix('budget.')}.{function.__qualname__}"

    def enter(arguments: tuple[Any, ...], named: dict[str, Any]) -> float:
        given = dict(zip(function.__code__.co_varnames, arguments, strict=False)) | named
        log.debug("call", function=name, arguments={key: _short(key, value) for key, value in given.items()})
        return time.perf_counter()

    def leave(started: float, error: BaseException | None) -> None:
        took = round((time.perf_counter() - started) * 1000, 3)
        if error is None:
            log.debug("return", function=name, milliseconds=took)
        else:
            log.debug("raise", function=name, milliseconds=took, error=f"{type(error).__name__}: {error}"[:300])

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def told_async(*arguments: Any, **named: Any) -> Any:
            started = enter(arguments, named)
            try:
                result = await function(*arguments, **named)
            except BaseException as error:
                leave(started, error)
                raise
            leave(started, None)
            return result

        return told_async

    @functools.wraps(function)
    def told(*arguments: Any, **named: Any) -> Any:
        started = enter(arguments, named)
        try:
            result = function(*arguments, **named)
        except BaseException as error:
            leave(started, error)
            raise
        leave(started, None)
        return result

    return told


def _short(name: str, value: Any) -> object:
    """A value as one short text, without what its name or its text says is secret."""
    if name == "self":
        return type(value).__name__
    return redact({name: _shown.repr(value)})[name]  # type: ignore[index]  # of a mapping it makes a mapping
