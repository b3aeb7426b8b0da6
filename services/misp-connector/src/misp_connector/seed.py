"""`misp-connector seed --json -`: what the launcher gives a fresh connector. Doing it again changes nothing."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from misp_connector.access.service import Right, seed_key
from misp_connector.instances.config import InstanceInput, Texts
from misp_connector.instances.service import apply_operators_instance
from misp_connector.receivers.service import set_default_receivers
from misp_connector.runtime import Runtime
from waggle.db import Scope

ACTOR = "seed"


class Seed(BaseModel):
    """`api_key` gets all rights; `organisations` receive the alerts of instances that name none.

    The instances' targets are the operator's, so inside addresses and folders are allowed.
    """

    model_config = ConfigDict(extra="forbid")

    api_key: str = Field(min_length=20)
    organisations: Texts = ()
    instances: list[InstanceInput] = []


async def apply_seed(runtime: Runtime, seed: Seed) -> None:
    async with runtime.database.begin(Scope()) as session:
        await seed_key(session, name="operator", key=seed.api_key, rights=list(Right), actor=ACTOR)
        if seed.organisations:
            await set_default_receivers(session, organisations=seed.organisations, actor=ACTOR)
        for data in seed.instances:
            await apply_operators_instance(session, data=data, secrets=runtime.secrets, managed="api", actor=ACTOR)
