"""Whatever goes wrong in a FastAPI route, or where there is none, is answered by a problem document."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from budget.domain.errors import BudgetError, Invalid, NotAllowed, NotFound
from budget.operations import problems, sending


def install(app: FastAPI) -> None:
    """Let every error of the FastAPI routes, and of routes that are none, be answered by a problem document."""
    app.add_exception_handler(BudgetError, _budget_error)
    app.add_exception_handler(RequestValidationError, _wrong_parameters)
    app.add_exception_handler(HTTPException, _http_error)


def _budget_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, BudgetError)  # noqa: S101 -- it is registered for this kind
    return sending.response(error, request.url.path)


def _wrong_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 -- it is registered for this kind
    errors = [
        {"field": ".".join(str(part) for part in found["loc"][1:]) or "body", "message": found["msg"]}
        for found in error.errors()
    ]
    detail = "; ".join(f"{found['field']}: {found['message']}" for found in errors)
    made = problems.made(
        422,
        Invalid.code,
        detail,
        title=(Invalid.__doc__ or "").strip(),
        instance=request.url.path,
        errors=errors,
        details={"errors": errors},
    )
    return Response(problems.encode(made), 422, media_type=sending.MEDIA_TYPE)


_CODES = {404: NotFound.code, 405: "method_not_allowed", 401: "authentication_error", 403: NotAllowed.code}


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 -- it is registered for this kind
    title = HTTPStatus(error.status_code).phrase
    made = problems.made(
        error.status_code,
        _CODES.get(error.status_code, "http_error"),
        f"{request.method} {request.url.path}: {error.detail}",
        title=title,
        instance=request.url.path,
        errors=[],
        details={},
    )
    return Response(problems.encode(made), error.status_code, error.headers, sending.MEDIA_TYPE)
