"""Names of files, as clients send them and get them back."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from drbnet.deblurring import FORMATS
from drbnet.photographs import Format

LONGEST = 100
"""Characters, without what is added."""
ENDING = "_deblurred"
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*%;\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]')
"""By some file system, or not seen, or turning the direction of writing, by which a name can lie."""


def plain_name(name: str) -> str:
    """A client's name of a file, without folders and without what no file system should be given."""
    name = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    name = _FORBIDDEN.sub("", name).strip().rstrip(" .")
    stem, dot, suffix = name.rpartition(".")
    if not dot:
        return name[:LONGEST] or "photograph"
    return f"{stem[:LONGEST].strip(' .') or 'photograph'}.{suffix[:10]}"


def result_name(name: str, form: Format) -> str:
    """Of what is made of a file of this (plain) name; ``.JPG`` stays so."""
    stem, dot, suffix = name.rpartition(".")
    if dot and FORMATS.get(f".{suffix}".lower()) is form:
        return f"{stem}{ENDING}.{suffix}"
    return f"{name}{ENDING}{form.value}"


def disposition(name: str) -> str:
    """The header Content-Disposition of a download (RFC 6266, RFC 8187)."""
    ascii_name = name.encode("ascii", "replace").decode().replace("?", "_").replace("\\", "_")
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"
