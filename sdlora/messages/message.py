"""A sentence that knows how it was made."""

from collections.abc import Mapping
from typing import Any


class Message(str):
    """The English text, with the key of its template and what stands in the places, so that it can be said anew.

    Compared, hashed and written it is its text.
    """

    key: str
    slots: Mapping[str, object]

    def __new__(cls, text: str, key: str, slots: Mapping[str, object]) -> "Message":
        message = super().__new__(cls, text)
        message.key, message.slots = key, slots
        return message

    def __reduce__(self) -> tuple[Any, ...]:
        return Message, (str.__str__(self), self.key, dict(self.slots))

    def __copy__(self) -> "Message":
        return self

    def __deepcopy__(self, memo: dict) -> "Message":
        return self
