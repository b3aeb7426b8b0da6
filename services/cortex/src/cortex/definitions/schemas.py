"""Definitions as the API shows them: contracts/cortex.md §3.2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cortex.definitions.models import Definition


class ShownDefinition(BaseModel):
    id: str
    name: str
    version: str
    description: str
    dataTypeList: list[str]
    author: str
    url: str
    license: str
    baseConfig: str | None
    configurationItems: list[dict[str, Any]]
    dockerImage: str | None
    command: str | None


def show_definition(definition: Definition) -> ShownDefinition:
    return ShownDefinition(
        id=definition.id,
        name=definition.name,
        version=definition.flavor_version,
        description=definition.description,
        dataTypeList=definition.data_types,
        author=definition.author,
        url=definition.url,
        license=definition.license,
        baseConfig=definition.base_config,
        configurationItems=definition.items,
        dockerImage=definition.docker_image,
        command=Path(definition.command).name if definition.command else None,
    )
