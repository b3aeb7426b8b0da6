"""What all messages share: the base class, and the values more than one of them carries."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AnyUrl, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from waggle.contracts.vocabulary import Pap, Tlp, pap_word, tlp_word

Service = Literal["hive", "cortex", "misp-connector"]
Audience = Literal["hive", "cortex", "misp-connector", "any"]

# An unknown word is RED: a marking this version does not know may never weaken a policy.
TlpWord = Annotated[Tlp, BeforeValidator(tlp_word)]
PapWord = Annotated[Pap, BeforeValidator(pap_word)]
Severity = Annotated[int, Field(ge=1, le=4)]
Milliseconds = Annotated[int, Field(description="since the epoch, UTC")]


class Value(BaseModel):
    """A part of a message. Unknown fields are ignored, so that a sender may be newer than its receiver."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Message(Value):
    """The `data` of an envelope. One subclass per type and version."""

    type: ClassVar[str]
    sender: ClassVar[Service]
    audience: ClassVar[Audience]
    """Who must receive it: published to nobody it is an error, unless its audience is `any`."""
    addressed: ClassVar[bool] = False
    """Whether it is for one instance, named by the envelope's `target`."""


class FileRef(Value):
    """A file that stays with its owner; the receiver fetches it with its service key and checks the hash."""

    name: str
    content_type: str
    size: int = Field(ge=0, description="bytes")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    url: AnyUrl


class Content(Value):
    """An observable's content: a text or a file, never both."""

    data_type: str
    data: str | None = None
    file: FileRef | None = None

    @model_validator(mode="after")
    def _one_content(self) -> Content:
        if (self.data is None) == (self.file is None):
            raise ValueError("exactly one of data and file is needed")
        return self
