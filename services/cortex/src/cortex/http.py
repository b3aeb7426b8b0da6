"""Reading requests into models and describing them, for routes that take their fields from body, form or query alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Request
from fastapi.params import Depends
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from starlette.responses import PlainTextResponse, Response

from waggle.web.answers import JsonResponse
from waggle.web.errors import validation_failure
from waggle.web.fields import read_fields
from waggle.web.paging import Page, parse_range

M = TypeVar("M", bound=BaseModel)


def _number(value: Any) -> Any:
    """Numbers as JSON numbers or as text, for forms and old clients; never a boolean or a fraction."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError("a whole number is needed")
    return value


Whole = Annotated[int, BeforeValidator(_number)]


class Strict(BaseModel):
    """An input whose unknown fields are an error."""

    model_config = ConfigDict(extra="forbid")


class Lenient(BaseModel):
    """An input whose unknown fields are ignored, where the contract says that clients send some."""

    model_config = ConfigDict(extra="ignore")


def parsed(model: type[M], values: dict[str, Any]) -> M:
    """Raises InvalidFields naming every field that is wrong."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise validation_failure([dict(e) for e in error.errors(include_url=False)]) from None


class Refusal(BaseModel):
    """The body of every answer that is an error; `errors` where single fields are wrong."""

    type: str
    message: str
    errors: list[dict[str, Any]] | None = None


class _Body:
    """Reads a request's fields into a model, whichever way they were sent."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model

    async def __call__(self, request: Request) -> BaseModel:
        async with read_fields(request) as fields:
            return parsed(self._model, fields.values)


def body(model: type[BaseModel]) -> Any:
    """`given: Annotated[Model, body(Model)]`. Say the same to the OpenAPI document by `described(Model)`."""
    return Depends(_Body(model))


def described(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its fields by `body`."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


class Listing(Lenient):
    """Which part of a list, in which order: `range=0-10` (end exclusive) or `all`; `sort=-createdAt`, repeatable."""

    range: str | None = None
    sort: str | list[str] | None = None

    @property
    def page(self) -> Page:
        return parse_range(self.range)

    @property
    def order(self) -> list[str]:
        return [self.sort] if isinstance(self.sort, str) else self.sort or []


class Search(Listing):
    """A list with a condition: contracts/cortex.md §2.12."""

    query: Any = None


LISTING_PARAMETERS: dict[str, Any] = {
    "parameters": [
        {"name": "range", "in": "query", "schema": {"type": "string"}, "description": "start-end (end exclusive) or all"},
        {"name": "sort", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
    ]
}
SEARCH = {**LISTING_PARAMETERS, **described(Search, required=False)}
NO_CONTENT = 204


def shown(value: BaseModel, status: int = 200) -> JsonResponse:
    """An answer with the fields that were set: what an object does not have is absent, not null."""
    return JsonResponse(value.model_dump(mode="json", by_alias=True, exclude_unset=True), status_code=status)


def listed(values: Sequence[BaseModel], total: int | None = None) -> JsonResponse:
    answer = JsonResponse([v.model_dump(mode="json", by_alias=True, exclude_unset=True) for v in values])
    if total is not None:
        answer.headers["X-Total"] = str(total)
    return answer


def plain(text: str) -> PlainTextResponse:
    return PlainTextResponse(text)


def nothing() -> Response:
    return Response(status_code=NO_CONTENT)
