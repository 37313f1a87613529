import hashlib
import json
import os
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lfsynth.errors import InputError
from lfsynth.lytro.capture import read_capture, read_capture_metadata
from lfsynth.lytro.container import SECTION_LIMIT, digest_of, read_container, write_container
from lfsynth.lytro.json_fields import JSON_VALUES_LIMIT

HEADER = bytes.fromhex("894c46500d0a1a0a00000001") + bytes(4)
FIXED_MEMORY = 12 << 20
"""Bytes that reading may take besides twice the file: a block, and the values of the greatest JSON that is taken."""


def section(letter: str, data: bytes, *, name: str | None = None, length: int | None = None) -> bytes:
    """A section as the camera writes it, by hand; name and length may be false."""
    digest = "sha1-" + hashlib.sha1(data).hexdigest() if name is None else name
    head = b"\x89LF" + letter.encode() + b"\r\n\x1a\n" + bytes(4)
    size = struct.pack(">I", len(data) if length is None else length)
    return head + size + digest.encode() + bytes(35) + data + bytes(-len(data) % 16)


def table(contents: Any) -> bytes:
    return section("M", json.dumps(contents).encode())


def written(folder: Path, *parts: bytes, header: bytes = HEADER) -> Path:
    path = folder / "a.LFR"
    path.write_bytes(header + b"".join(parts))
    return path


def fault(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_container(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value.fault


@pytest.mark.parametrize("first", [True, False])
def test_sections_are_found_by_name_in_any_order(tmp_path: Path, first: bool) -> None:
    one, two = b"x" * 33, b"\0\0leading and trailing zeros\0\0"
    parts = [section("C", one), section("C", two)]
    path = written(tmp_path, *([table({"a": 1}), *parts] if first else [*parts[::-1], table({"a": 1})]))
    container = read_container(path)
    assert container.contents == {"a": 1}
    assert container.section(digest_of(one)) == one
    assert container.section(digest_of(two).replace("sha1-", "SHA1-").upper()) == two
    assert digest_of(one) in container
    assert "sha1-" not in container
    assert None not in container


def test_empty_sections_and_unaligned_ones_are_passed(tmp_path: Path) -> None:
    empty = b"\x89LFC\r\n\x1a\n" + bytes(8)
    unaligned = section("C", b"abc")[: 96 + 3]
    container = read_container(written(tmp_path, empty, unaligned, table({}), bytes(64)))
    assert [container.section(name) for name in container.sections] == [b"abc"]


def test_what_is_written_is_the_form_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "b.LFR"
    write_container(path, {"a": [1]}, [b"first", b"second" * 9])
    expected = HEADER + section("C", b"first") + section("C", b"second" * 9)
    data = path.read_bytes()
    assert data[: len(expected)] == expected
    assert data[len(expected) :][:12] == bytes.fromhex("894c464d0d0a1a0a00000000")
    assert read_container(path).contents == {"a": [1]}
    assert len(data) % 16 == 0
    with pytest.raises(ValueError, match="at least a byte"):
        write_container(path, {}, [b""])


def test_a_file_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    data = written(tmp_path, section("C", b"0123456789"), table({"a": 1})).read_bytes()
    last = len(data.rstrip(b"\0"))
    cut = tmp_path / "cut.LFR"
    for size in range(last):
        cut.write_bytes(data[:size])
        assert "cut short" in fault(cut) or (size < 12 and "no Lytro file" in fault(cut)), size
    for size in range(last, len(data)):
        cut.write_bytes(data[:size])
        assert read_container(cut).contents == {"a": 1}


def test_a_capture_cut_at_any_byte_is_refused_or_whole(
    lfr: Path, mosaic: np.ndarray[Any, np.dtype[np.uint16]]
) -> None:
    data = lfr.read_bytes()
    for size in [*range(0, len(data), 97), *range(len(data) - 40, len(data))]:
        lfr.write_bytes(data[:size])
        try:
            capture = read_capture(lfr)
        except InputError:
            continue
        # Only padding was lost
        assert not data[size:].strip(b"\0")
        np.testing.assert_array_equal(capture.mosaic, mosaic)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.LFR"
    path.write_bytes(b"")
    assert "no Lytro file" in fault(path)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert "no Lytro file" in fault(path)
    assert "folder" in fault(tmp_path)
    assert "no such file" in fault(tmp_path / "none.LFR")
    assert "no such file" in fault(path / "none.LFR")


def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "pipe.LFR"
    os.mkfifo(path)
    assert "no regular file" in fault(path)


def test_a_fault_of_the_disk_is_said() -> None:
    # A regular file whose first byte cannot be read
    assert "it cannot be read (Input/output error)" in fault(Path("/proc/self/mem"))


def test_a_length_past_the_end_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, section("C", b"abc", length=0xFFFF_FFF0), table({}))
    tracemalloc.start()
    try:
        assert "section at byte 16 ends at 4294967392" in fault(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_length_that_is_too_short_is_refused(tmp_path: Path) -> None:
    assert "byte 120 does not begin a section" in fault(
        written(tmp_path, section("C", b"0123456789", length=8), table({}))
    )


@pytest.mark.parametrize(
    "name", ["sha1-" + "g" * 40, "md5--" + "0" * 40, "\0" * 45, "sha1-" + "1" * 38 + "\0\0"]
)
def test_a_section_without_a_proper_name_is_refused(tmp_path: Path, name: str) -> None:
    assert "the section at byte 16 has no proper name" in fault(
        written(tmp_path, section("C", b"abc", name=name), table({}))
    )


def test_damaged_data_are_refused_when_read(tmp_path: Path) -> None:
    data = b"a" * 100
    path = written(tmp_path, section("C", data), table({}))
    path.write_bytes(path.read_bytes().replace(b"aaa", b"aba", 1))
    container = read_container(path)
    with pytest.raises(InputError, match=f"section {digest_of(data)} is damaged"):
        container.section(digest_of(data))
    with pytest.raises(InputError, match="it has no section sha1-00"):
        container.section("sha1-" + "0" * 40)


def test_a_damaged_table_of_contents_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, table({"aaa": 1}))
    path.write_bytes(path.read_bytes().replace(b"aaa", b"aab"))
    assert "is damaged" in fault(path)


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, table({}), section("C", b"a" * 100))
    container = read_container(path)
    path.write_bytes(path.read_bytes()[:-64])
    with pytest.raises(InputError, match="became shorter"):
        container.section(next(iter(container.sections)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "no valid JSON"),
        (b"\xff\xfe{}", "no valid JSON"),
        (b'{"a": NaN}', "NaN is not a number"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "no valid JSON"),
        (b'{"a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "no valid JSON"),
        (b"[1]", "no JSON object"),
        (b'"text"', "no JSON object"),
        (b"[" + b"[]," * JSON_VALUES_LIMIT + b"1]", "too large"),
        (b'{"a": "' + b"x" * (1 << 20) + b'"}', "too large"),
    ],
)
def test_a_table_of_contents_that_is_no_json_object_is_refused(
    tmp_path: Path, text: bytes, message: str
) -> None:
    assert message in fault(written(tmp_path, section("M", text)))


def test_files_without_or_with_two_tables_are_refused(tmp_path: Path) -> None:
    assert "no table of contents" in fault(written(tmp_path, section("C", b"abc")))
    assert "two tables of contents" in fault(written(tmp_path, table({}), table({"a": 1})))


def test_too_many_sections_are_refused(tmp_path: Path) -> None:
    empty = b"\x89LFC\r\n\x1a\n" + bytes(4)
    # A length of zero follows; the next section begins at once
    parts = (empty + bytes(4)) * (SECTION_LIMIT + 1)
    assert f"more than {SECTION_LIMIT} sections" in fault(written(tmp_path, parts))


def test_a_real_container_is_read(shared_data: Path) -> None:
    container = read_container(shared_data / "lytro_files" / "IMG_0002-dm.lfp")
    assert len(container.sections) == 2
    assert all(len(container.section(name)) == 435_600 for name in container.sections)
    with pytest.raises(InputError, match="it holds no raw picture, only what was computed from one"):
        read_capture_metadata(container.path)


@st.composite
def mutations(draw: st.DrawFn) -> list[tuple[float, bytes, bool]]:
    """Places (as parts of the file), bytes for them, and whether these replace or are inserted."""
    marks = [b"\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x01", b"\x89LFC\r\n\x1a\n"]
    texts = [b"sha1-", b"{", b"[" * 50, b'":', b"1e999", b"-1", b"null"]
    interesting = st.sampled_from([*marks, *texts])
    place = st.floats(0, 1, exclude_max=True)
    return draw(
        st.lists(st.tuples(place, interesting | st.binary(max_size=8), st.booleans()), min_size=1, max_size=6)
    )


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=mutations())
def test_no_damage_does_more_than_be_refused(lfr: Path, changes: list[tuple[float, bytes, bool]]) -> None:
    # The fixture's file is made once for all examples: change a copy
    data = bytearray(lfr.read_bytes())
    for place, new, replaces in changes:
        start = int(place * len(data))
        data[start : start + (len(new) if replaces else 0)] = new
    path = lfr.with_name("changed.LFR")
    path.write_bytes(data)
    check_bounded(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    document=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["frames", "frame", "imageRef", "metadataRef", "picture", "frameArray", "image"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_no_table_of_contents_does_more_than_be_refused(tmp_path: Path, document: Any) -> None:
    try:
        text = json.dumps(document).encode()
    except ValueError:
        return
    check_bounded(written(tmp_path, section("M", text)))


def check_bounded(path: Path) -> None:
    """Reading ends, refuses with one line or succeeds, and takes at most twice the file besides a fixed amount."""
    message = ""
    tracemalloc.start()
    try:
        read_capture(path)
    except InputError as error:
        message = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert "\n" not in message
    assert len(message) < 600
    assert peak <= 2 * path.stat().st_size + FIXED_MEMORY
