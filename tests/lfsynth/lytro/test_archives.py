import gzip
import io
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lfsynth.errors import InputError
from lfsynth.lytro.archives import MEMBER_LIMIT, tar_members, volume_members
from lfsynth.lytro.container import digest_of, read_container, write_container

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
LONG_NAME = "folder/" * 30 + "MOD_0001.RAW"


def tar(path: Path, members: dict[str, bytes], *, form: int = tarfile.GNU_FORMAT) -> Path:
    """A tar archive by the standard library."""
    with tarfile.open(path, "w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def fault(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        list(tar_members(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value.fault


@pytest.mark.parametrize("form", FORMATS)
def test_members_are_those_of_the_standard_library(tmp_path: Path, form: int) -> None:
    members = {
        "MOD_0000.TXT": b"{}",
        "a/MOD_0000.RAW": bytes(range(256)) * 5,
        "./empty": b"",
        "b/x.GCT": b"1" * 512,
    }
    path = tar(tmp_path / "a.tar", members, form=form)
    found = list(tar_members(path))
    assert {str(member.name): member.part.read() for member in found} == members
    assert [member.filename for member in found] == ["MOD_0000.TXT", "MOD_0000.RAW", "empty", "x.GCT"]
    assert [member.folder for member in found] == [".", "a", ".", "b"]
    assert {member.source for member in found} == {path}


@pytest.mark.parametrize("form", FORMATS)
def test_long_names_and_folders_are_read(tmp_path: Path, form: int) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=form) as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        info = tarfile.TarInfo(LONG_NAME)
        # A time with a fraction is what makes pax headers
        info.mtime = 1.5
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
        archive.addfile(tarfile.TarInfo("short"))
    found = list(tar_members(path))
    assert [member.name for member in found] == [LONG_NAME, "short"]
    assert found[0].part.read() == b"abc"


def test_headers_without_the_posix_mark_are_read(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"MOD_0000.TXT": b"{}"})
    data = bytearray(path.read_bytes())
    data[257:265] = bytes(8)
    checksum = sum(data[:148]) + 8 * 32 + sum(data[156:512])
    data[148:156] = b"%06o\0 " % checksum
    path.write_bytes(data)
    assert [member.part.read() for member in tar_members(path)] == [b"{}"]


@pytest.mark.parametrize(
    "name",
    ["../MOD_0000.RAW", "a/../../MOD_0000.RAW", "/etc/MOD_0000.RAW", "..\\MOD_0000.RAW", "C:\\MOD_0000.RAW"],
)
def test_a_member_outside_of_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.tar"
    # Names that begin with a slash are made relative by the standard library unless set afterwards
    info = tarfile.TarInfo(name)
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    assert f"its member {name!r} points outside of it" in fault(path)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"S"]
)
def test_a_member_that_is_no_plain_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("MOD_0000.RAW")
    info.type = kind
    info.linkname = "/etc/passwd"
    path = tmp_path / "a.tar"
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    assert "its member 'MOD_0000.RAW' is a link or a device" in fault(path)


def test_an_archive_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"a": b"x" * 700, LONG_NAME: b"y"})
    data = path.read_bytes()
    whole = list(tar_members(path))
    # Two members, one of them with a header of its own for its name
    last = 512 + 1024 + 3 * 512 + 512
    for size in [*range(0, last, 31), last]:
        path.write_bytes(data[:size])
        assert "cut short" in fault(path) or size < 512, size
    path.write_bytes(data[: last + 512])
    assert list(tar_members(path)) == whole


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    for data in (b"", b"text" * 1000, bytes(2048), gzip.compress(b"x" * 5000)):
        path.write_bytes(data)
        assert "it is no tar archive, or it is compressed or damaged" in fault(path)
    assert "no such file" in fault(tmp_path / "b.tar")


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tarfile.TarInfo("a").tobuf(tarfile.GNU_FORMAT) * (MEMBER_LIMIT + 1))
    assert f"more than {MEMBER_LIMIT} members" in fault(path)


def test_extra_headers_that_lie_are_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("a")
    info.type = tarfile.XHDTYPE
    path = tmp_path / "a.tar"
    for record in (b"9999 path=b\n", b"0 path=b\n", b"x path=b\n", b"path=b"):
        info.size = len(record)
        path.write_bytes(info.tobuf() + record.ljust(512, b"\0") + bytes(1024))
        assert "damaged" in fault(path)
    info.size = 12
    path.write_bytes(info.tobuf() + b"12 size=999\n".ljust(512, b"\0") + bytes(1024))
    assert "no plain file" in fault(path)
    info.size = 1 << 17
    path.write_bytes(info.tobuf() + bytes(1 << 18))
    assert "too long to be a camera's" in fault(path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.integers(0, 4095),
    new=st.binary(min_size=1, max_size=12) | st.sampled_from([b"\x80" + b"\xff" * 11, b"77777777777\0"]),
    checked=st.booleans(),
)
def test_no_damage_does_more_than_be_refused(tmp_path: Path, place: int, new: bytes, checked: bool) -> None:
    path = tar(tmp_path / "a.tar", {"MOD_0000.TXT": b"{}", LONG_NAME: b"x" * 600}, form=tarfile.PAX_FORMAT)
    data = bytearray(path.read_bytes()[:5120])
    data[place : place + len(new)] = new
    if checked:
        # The sum is made right, so that what it guards is reached
        start = place // 512 * 512
        checksum = sum(data[start : start + 148]) + 8 * 32 + sum(data[start + 156 : start + 512])
        data[start + 148 : start + 156] = b"%06o\0 " % checksum
    path.write_bytes(data)
    tracemalloc.start()
    try:
        for member in tar_members(path):
            assert len(member.part.read()) <= len(data)
    except InputError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 1 << 20


def test_volumes_of_the_desktop_program_list_their_files(tmp_path: Path) -> None:
    pixels, text = b"pixels", b"{}"
    files = [
        {"name": "C:\\T1CALIB\\MOD_0000.RAW", "dataRef": digest_of(pixels)},
        {"name": "C:\\T1CALIB\\MOD_0000.TXT", "dataRef": digest_of(text)},
    ]
    path = tmp_path / "data.C.0"
    write_container(path, {"files": files}, [pixels, text])
    found = list(volume_members(read_container(path)))
    assert [member.part.read() for member in found] == [pixels, text]
    assert [member.filename for member in found] == ["MOD_0000.RAW", "MOD_0000.TXT"]
    assert found[0].folder == found[1].folder
    assert found[0].name == files[0]["name"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (5, "files is no list"),
        ([5], "a file without a name"),
        ([{"name": 5, "dataRef": "sha1-" + "0" * 40}], "a file without a name"),
        ([{"name": "a", "dataRef": "b"}], "a file without a name"),
        ([{"name": "a", "dataRef": "sha1-" + "0" * 40}], "it has no section sha1-000"),
    ],
)
def test_a_volume_that_lies_is_refused(tmp_path: Path, files: object, message: str) -> None:
    path = tmp_path / "data.C.0"
    write_container(path, {"files": files}, [b"a"])
    with pytest.raises(InputError, match=message):
        list(volume_members(read_container(path)))


def test_a_container_without_a_list_of_files_has_no_members(tmp_path: Path) -> None:
    write_container(tmp_path / "data.C.0", {}, [b"a"])
    assert list(volume_members(read_container(tmp_path / "data.C.0"))) == []
