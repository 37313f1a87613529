"""JSON from files that may hold anything: bounded parsing, merging, and values looked up by key and checked.

A key path is written with dots, ``devices.lens.zoomStep``, as it stands in messages.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from lfsynth.errors import InputError

JSON_LIMIT = 1 << 20
"""Greatest length of a JSON document in bytes; a camera's are some 10 KB."""

JSON_VALUES_LIMIT = 20_000
"""Greatest number of values in one; a camera's hold some hundred. It bounds memory: ``[],`` is 3 bytes in the file and
some 64 in memory."""

EXPORT_AGAIN = "copy it from the camera again"

_REFERENCE = re.compile(r"sha1-[0-9a-f]{40}", re.IGNORECASE)


def parse_json(data: bytes, path: Path, what: str) -> dict[str, Any]:
    """A JSON object from bytes.

    Parameters
    ----------
    data : UTF-8 text, possibly ended by NUL
    path, what : the file and the part of it, for messages

    Raises
    ------
    InputError : where it is too large, no JSON, or no object
    """
    if len(data) > JSON_LIMIT or sum(data.count(mark) for mark in (b",", b"[", b"{")) > JSON_VALUES_LIMIT:
        raise InputError(path, f"its {what} is too large to be a camera's", EXPORT_AGAIN)
    try:
        document = json.loads(data.rstrip(b"\0").decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        # The text of some of these errors quotes the file: keep it short
        raise InputError(path, f"its {what} is no valid JSON ({str(error)[:80]})", EXPORT_AGAIN) from None
    if not isinstance(document, dict):
        raise InputError(path, f"its {what} is no JSON object", EXPORT_AGAIN)
    return document


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Both documents in a new one; objects are merged key by key, of anything else the second's is taken."""
    result = dict(first)
    for key, value in second.items():
        known = result.get(key)
        result[key] = merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return result


def value_at(document: Any, key: str) -> Any:
    """The value at a key path, None where there is none; ``name[0]`` is the first of a list."""
    for part in key.split("."):
        name, bracket, _ = part.partition("[")
        document = document.get(name) if isinstance(document, dict) else None
        if bracket:
            document = document[0] if isinstance(document, list) and document else None
    return document


def is_reference(value: Any) -> bool:
    """Whether a value is the name of a section: ``sha1-`` and 40 hexadecimal digits."""
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


class Fields:
    """Values of one or more documents, looked up by the first key path that is there, and checked.

    Parameters
    ----------
    path : the file they are from, for messages
    documents : in order of preference
    """

    def __init__(self, path: Path, documents: Sequence[dict[str, Any]]) -> None:
        self._path = path
        self._documents = documents

    def find(self, *keys: str) -> Any:
        """The first value that is there and not null, else None."""
        found = (value_at(document, key) for document in self._documents for key in keys)
        return next((value for value in found if value is not None), None)

    def number(self, *keys: str, low: float, high: float) -> float | None:
        """A finite number in [low, high], None where there is none."""
        value = self.find(*keys)
        return None if value is None else self._checked(value, keys[0], low, high)

    def required(self, *keys: str, low: float, high: float) -> float:
        """A finite number in [low, high] that must be there."""
        value = self.find(*keys)
        if value is None:
            self.missing(keys[0])
        return self._checked(value, keys[0], low, high)

    def whole(self, *keys: str, low: int, high: int) -> int | None:
        """A whole number in [low, high], None where there is none."""
        value = self.number(*keys, low=low, high=high)
        if value is not None and value != int(value):
            self.refuse(keys[0], f"{value} is not a whole number")
        return None if value is None else int(value)

    def numbers(self, *keys: str, count: int, low: float, high: float) -> list[float] | None:
        """A list of ``count`` finite numbers in [low, high], None where there is none."""
        values = self.find(*keys)
        if values is None:
            return None
        if not isinstance(values, list) or len(values) != count:
            self.refuse(keys[0], f"it is not a list of {count} numbers")
        return [self._checked(value, keys[0], low, high) for value in values]

    def text(self, *keys: str) -> str | None:
        """A text of at most 200 printable characters, None where there is none."""
        value = self.find(*keys)
        if value is not None and not (isinstance(value, str) and len(value) <= 200 and value.isprintable()):
            self.refuse(keys[0], "it is not a short text")
        return value

    def _checked(self, value: Any, key: str, low: float, high: float) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(key, "it is not a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not low <= number <= high:
            self.refuse(key, f"{number:g} is not in [{low:g}, {high:g}]")
        return number

    def missing(self, key: str) -> NoReturn:
        """Refuse the file because a value is not there."""
        raise InputError(self._path, f"its metadata have no {key}", EXPORT_AGAIN)

    def refuse(self, key: str, fault: str) -> NoReturn:
        """Refuse the file because of a value."""
        raise InputError(self._path, f"{key} in its metadata is wrong: {fault}", EXPORT_AGAIN)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")
