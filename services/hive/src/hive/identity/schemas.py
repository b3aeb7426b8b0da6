"""People as the v1 API takes and shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from hive.identity.models import Organisation, Profile
from hive.markings import Input
from hive.tables import text_id

Name64 = Annotated[str, Field(min_length=1, max_length=64)]
Name128 = Annotated[str, Field(min_length=1, max_length=128)]
Login = Annotated[str, Field(min_length=3, max_length=128, pattern=r"^[^\s@:]+@[^\s@:]+$")]
Password = Annotated[str, Field(min_length=1, max_length=1024)]
Rule = Literal["manual", "autoShare"]


class InputLogin(Input):
    user: Annotated[str, Field(max_length=128)]
    password: Password
    organisation: Annotated[str, Field(max_length=64)] | None = None


class InputOrganisation(Input):
    name: Name64
    description: Annotated[str, Field(max_length=65_536)]
    task_rule: Rule = "manual"
    observable_rule: Rule = "manual"
    locked: bool = False


class InputUpdateOrganisation(Input):
    """`avatar`: a picture in base64 or as a data: URL; empty or null removes it."""

    name: Name64 | None = None
    description: Annotated[str, Field(max_length=65_536)] | None = None
    task_rule: Rule | None = None
    observable_rule: Rule | None = None
    locked: bool | None = None
    avatar: Annotated[str, Field(max_length=1_000_000)] | None = None


class InputProfile(Input):
    name: Name64
    permissions: list[str] = Field(default_factory=list)
    type: Literal["Organisation", "Admin", "External"] = "Organisation"


class InputUpdateProfile(Input):
    name: Name64 | None = None
    permissions: list[str] | None = None


class InputUser(Input):
    login: Login
    name: Name128
    profile: Name64
    organisation: Name64 | None = None
    email: Annotated[str, Field(max_length=128)] | None = None
    password: Password | None = None
    type: Literal["Normal", "Service", "External"] = "Normal"


class InputUpdateUser(Input):
    name: Name128 | None = None
    avatar: Annotated[str, Field(max_length=2_000_000, description="base64 of a picture; empty removes it")] | None = None
    type: Literal["Normal", "Service", "External"] | None = None
    email: Annotated[str, Field(max_length=128)] | None = None
    default_organisation: Name64 | None = None
    locked: bool | None = None
    profile: Name64 | None = None
    organisation: Name64 | None = None


class InputMembership(Input):
    organisation: Name64
    profile: Name64
    default: bool = False


class InputMemberships(Input):
    organisations: Annotated[list[InputMembership], Field(min_length=1, max_length=1000)]


class OutputMembershipSet(TypedDict):
    organisation: str
    profile: str
    default: bool


class OutputMemberships(TypedDict):
    organisations: list[OutputMembershipSet]


class OutputSession(TypedDict):
    _id: str
    organisationId: str
    createdAt: int
    seenAt: int
    expiresAt: int
    address: str
    agent: str


def session_out(row: Any) -> OutputSession:
    """An open session, without anything that could be used as one."""
    return {
        "_id": row.id, "organisationId": text_id(row.org_id), "createdAt": int(row.created_at.timestamp() * 1000),
        "seenAt": int(row.seen_at.timestamp() * 1000), "expiresAt": int(row.expires_at.timestamp() * 1000),
        "address": row.address, "agent": row.agent,
    }  # fmt: skip


class InputPassword(Input):
    password: Password


class InputPasswordChange(Input):
    password: Password
    current_password: Password


class OutputMembership(TypedDict):
    organisationId: str
    organisation: str
    profile: str


class OutputUser(TypedDict):
    _id: str
    _type: str
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    version: int
    login: str
    name: str
    email: NotRequired[str]
    avatar: NotRequired[str]
    hasKey: bool
    hasPassword: bool
    hasMFA: bool
    locked: bool
    profile: str
    permissions: list[str]
    organisation: str
    organisations: list[OutputMembership]
    type: str
    defaultOrganisation: NotRequired[str]
    extraData: dict[str, Any]


class OutputOrganisation(TypedDict):
    _id: str
    _type: str
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    version: int
    name: str
    description: str
    taskRule: str
    observableRule: str
    avatar: NotRequired[str]
    locked: bool
    extraData: dict[str, Any]


class OutputProfile(TypedDict):
    _id: str
    _type: str
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    version: int
    type: str
    name: str
    permissions: list[str]
    editable: bool
    forAdmin: bool
    forOrg: bool
    forExternal: bool
    consumesLicense: bool


def updated(row: Any) -> dict[str, Any]:
    """Who changed it last, left out before the first change."""
    pairs = {"_updatedBy": row.updated_by, "_updatedAt": row.updated_at}
    return {k: v for k, v in pairs.items() if v is not None}


def organisation_out(row: Organisation) -> OutputOrganisation:
    answer: OutputOrganisation = {
        "_id": text_id(row.id), "_type": "Organisation", "_createdBy": row.created_by, "_createdAt": row.created_at,
        "version": row.version, "name": row.name, "description": row.description, "taskRule": row.task_rule,
        "observableRule": row.observable_rule, "locked": row.locked, "extraData": {},
    }  # fmt: skip
    answer.update(updated(row))  # type: ignore[typeddict-item]
    if row.avatar_sha256 is not None:
        answer["avatar"] = row.avatar_sha256.hex()
    return answer


def profile_out(row: Profile) -> OutputProfile:
    answer: OutputProfile = {
        "_id": text_id(row.id), "_type": "Profile", "_createdBy": row.created_by, "_createdAt": row.created_at,
        "version": row.version, "type": row.kind, "name": row.name, "permissions": row.permissions, "editable": row.editable,
        "forAdmin": row.kind == "Admin", "forOrg": row.kind == "Organisation", "forExternal": row.kind == "External",
        "consumesLicense": False,
    }  # fmt: skip
    answer.update(updated(row))  # type: ignore[typeddict-item]
    return answer
