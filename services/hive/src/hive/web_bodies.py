"""Bodies that may be JSON or a form with files: reading them into a model, and describing them in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import models_json_schema

from waggle.errors import InvalidFields
from waggle.web.errors import validation_failure

M = TypeVar("M", bound=BaseModel)
REF = "#/components/schemas/{model}"
_described: set[type[BaseModel]] = set()


def parse_model(model: type[M], values: Any) -> M:
    """The values as a model. Raises InvalidFields with one entry per field."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise validation_failure([dict(one) for one in error.errors(include_url=False, include_context=False)]) from None


def upload_schema(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """`openapi_extra` of a route that reads the model as JSON, or as part `_json` of a form whose other parts are files."""
    _described.add(model)
    ref = {"$ref": REF.format(model=model.__name__)}
    form = {
        "type": "object",
        "properties": {"_json": ref, "attachment": {"type": "string", "format": "binary"}},
        "required": ["_json"],
        "additionalProperties": {"type": "string", "format": "binary"},
    }
    content = {"application/json": {"schema": ref}, "multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": required, "content": content}}


def files_schema() -> dict[str, Any]:
    """`openapi_extra` of a route that takes files in the repeated part `attachments`."""
    parts = {"type": "array", "items": {"type": "string", "format": "binary"}}
    form = {"type": "object", "properties": {"attachments": parts}, "required": ["attachments"]}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}}}


def described_models() -> dict[str, Any]:
    """The schemas that `upload_schema` refers to, for the document's components."""
    ordered = sorted(_described, key=lambda model: model.__name__)
    _, schema = models_json_schema([(model, "validation") for model in ordered], ref_template=REF)
    found: dict[str, Any] = schema.get("$defs", {})
    return found


def can_rename(values: Mapping[str, Any], *, default: bool) -> bool:
    """The form field `canRename`, in Python's or JSON's words: whether a name that is taken gets a suffix."""
    sent = values.get("canRename")
    if sent is None:
        return default
    if isinstance(sent, bool):
        return sent
    if str(sent).lower() in ("true", "1"):
        return True
    if str(sent).lower() in ("false", "0"):
        return False
    raise InvalidFields.invalid("canRename", "true or false")
