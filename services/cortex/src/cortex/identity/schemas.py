"""People as the API takes and shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from cortex.http import Lenient, Strict
from cortex.identity.models import Organisation, User
from waggle.errors import Forbidden


def _roles(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Roles = Annotated[list[str], BeforeValidator(_roles)]
UserStatus = Literal["Ok", "Locked"]
OrganisationStatus = Literal["Active", "Locked"]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class NewUser(Lenient):
    """Lenient: cortex4py sends the whole of its user object, `id` and `_` fields included."""

    login: Name
    name: Name
    roles: Roles
    organization: str | None = None
    password: str | None = None
    status: UserStatus = "Ok"
    avatar: str | None = Field(None, max_length=1_000_000)
    preferences: str = Field("{}", max_length=1_000_000)


class UserChanges(Strict):
    name: Name | None = None
    roles: Roles | None = None
    status: UserStatus | None = None
    organization: str | None = None
    avatar: str | None = Field(None, max_length=1_000_000)
    preferences: str | None = Field(None, max_length=1_000_000)
    password: Any = Field(None, description="refused: `/password/set` and `/password/change` are for that")
    key: Any = Field(None, description="refused: `/key/renew` and `/key/set` are for that")

    def columns(self) -> dict[str, Any]:
        """The given changes by column; a null takes only an avatar away. Raises Forbidden for credentials."""
        given = self.model_dump(exclude_unset=True)
        if not given.keys().isdisjoint({"password", "key"}):
            raise Forbidden("The password and the key have endpoints of their own")
        changes = {name: value for name, value in given.items() if value is not None or name == "avatar"}
        if "organization" in changes:
            changes["org_id"] = changes.pop("organization")
        return changes


class NewPassword(Lenient):
    password: str


class ChangedPassword(Lenient):
    currentPassword: str
    password: str


class GivenKey(Lenient):
    key: str


class Login(Lenient):
    user: str
    password: str


class NewOrganisation(Lenient):
    name: Name
    description: str = Field(max_length=10_000)
    status: OrganisationStatus = "Active"


class OrganisationChanges(Strict):
    description: str | None = Field(None, max_length=10_000)
    status: OrganisationStatus | None = None

    def columns(self) -> dict[str, Any]:
        return {name: value for name, value in self.model_dump(exclude_unset=True).items() if value is not None}


class Shown(BaseModel):
    """What every stored object shows: when, who, and its version. Times are ms."""

    id: str
    id_: str = Field(serialization_alias="_id")
    type_: str = Field(serialization_alias="_type")
    createdAt: int
    createdBy: str
    updatedAt: int
    updatedBy: str
    version_: int = Field(serialization_alias="_version")


class ShownUser(Shown):
    name: str
    roles: list[str]
    status: UserStatus
    organization: str
    avatar: str
    hasKey: bool
    hasPassword: bool
    preferences: dict[str, Any]


class ShownOrganisation(Shown):
    name: str
    description: str
    status: OrganisationStatus
    stats: dict[str, Any]


class LoggedIn(BaseModel):
    id: str
    name: str
    roles: list[str]


class SessionState(BaseModel):
    """Seconds until the session ends, and whether that is soon."""

    remaining: int
    warning: bool


def stamps(row: Organisation | User) -> dict[str, Any]:
    shown: dict[str, Any] = {"createdAt": row.created_at, "createdBy": row.created_by, "version_": row.version}
    if row.updated_at is not None:
        shown |= {"updatedAt": row.updated_at, "updatedBy": row.updated_by}
    return shown


def show_user(user: User, *, has_key: bool) -> ShownUser:
    shown = {"id": user.login, "id_": user.login, "type_": "user", **stamps(user)}
    shown |= {"name": user.name, "roles": user.roles, "status": user.status, "organization": user.org_id}
    shown |= {"hasKey": has_key, "hasPassword": user.password_hash is not None}
    if user.avatar is not None:
        shown["avatar"] = user.avatar
    return ShownUser.model_construct(_fields_set=set(shown), **shown)


def show_organisation(organisation: Organisation, stats: dict[str, Any] | None = None) -> ShownOrganisation:
    name = organisation.id
    shown = {"id": name, "id_": name, "type_": "organization", "name": name, **stamps(organisation)}
    shown |= {"description": organisation.description, "status": organisation.status}
    if stats is not None:
        shown["stats"] = stats
    return ShownOrganisation.model_construct(_fields_set=set(shown), **shown)
