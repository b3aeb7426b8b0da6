"""Shares and links as the v1 API takes and shows them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from hive.cases.schemas import InputShare, Rule
from hive.identity.schemas import OutputOrganisation, organisation_out
from hive.markings import Input
from hive.sharing.models import Share
from hive.sharing.organisations import Link
from hive.sharing.profiles import LinkType, SharingProfile
from hive.sharing.service import ShareDraft
from hive.tables import text_id

Organisation = Annotated[str, Field(min_length=1, max_length=64)]
Organisations = Annotated[list[Organisation], Field(max_length=1000)]


class InputShares(Input):
    shares: Annotated[list[InputShare], Field(max_length=1000)]


class InputOrganisations(Input):
    organisations: Organisations


class InputShareIds(Input):
    ids: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=1000)]


class InputShareProfile(Input):
    profile: Organisation


class InputOwner(Input):
    organisation: Organisation
    keep_profile: Organisation | None = None
    task_rule: Rule | None = None
    observable_rule: Rule | None = None


class InputLink(Input):
    link_type: LinkType = "default"
    other_link_type: LinkType = "default"


class InputLinkTo(InputLink):
    """`avatar` is what a client shows for the other organisation; it is not stored here."""

    to_organisation: Organisation
    avatar: str | None = None


class InputLinks(Input):
    links: Annotated[list[InputLinkTo], Field(max_length=1000)]


class OutputShare(TypedDict):
    _id: str
    _type: Literal["Share"]
    _createdBy: str
    _createdAt: int
    caseId: str
    profileName: str
    organisationName: str
    owner: bool
    taskRule: str
    observableRule: str


class OutputLink(TypedDict):
    linkType: str
    otherLinkType: str
    organisation: OutputOrganisation


class OutputSharingProfile(TypedDict):
    name: str
    description: str
    autoShare: bool
    editable: bool
    permissionProfile: str
    taskRule: str
    observableRule: str


def drafts_of(given: list[InputShare]) -> list[ShareDraft]:
    return [ShareDraft(one.organisation, one.profile, one.task_rule, one.observable_rule) for one in given if one.share]


def share_out(share: Share) -> OutputShare:
    return {
        "_id": text_id(share.id), "_type": "Share", "_createdBy": share.created_by, "_createdAt": share.created_at,
        "caseId": text_id(share.case_id), "profileName": share.profile, "organisationName": share.organisation,
        "owner": share.owner, "taskRule": share.task_rule, "observableRule": share.observable_rule,
    }  # fmt: skip


def link_out(link: Link) -> OutputLink:
    return {
        "linkType": link.link_type, "otherLinkType": link.other_link_type, "organisation": organisation_out(link.organisation),
    }  # fmt: skip


def sharing_profile_out(profile: SharingProfile) -> OutputSharingProfile:
    return {
        "name": profile.name, "description": profile.description, "autoShare": profile.auto_share, "editable": False,
        "permissionProfile": profile.permission_profile, "taskRule": profile.task_rule,
        "observableRule": profile.observable_rule,
    }  # fmt: skip
