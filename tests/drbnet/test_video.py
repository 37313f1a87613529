"""Videos keep frames' times, length, sound and colours; made and read by PyAV, and by FFmpeg's own packets' times."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from drbnet.tiling import Codes
from drbnet.video import deblur_video
from lfsynth.errors import InputError

av: Any = pytest.importorskip("av", reason="PyAV, of the video extra, is not installed")

HEIGHT, WIDTH = 48, 64
RATE = Fraction(30000, 1001)


def frame_codes(number: int, *, bits: int = 8) -> NDArray[Any]:
    """Smooth, coloured, another one each time."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    values = np.stack([60 + 2 * y, 40 + 2 * x + 3 * number, 200 - y - x], axis=2)
    return (values * (1 if bits == 8 else 256)).astype(np.uint8 if bits == 8 else np.uint16)


def make(
    path: Path,
    *,
    times: list[int] | None = None,
    form: str = "yuv420p",
    codec: str = "libx264",
    matrix: int = 1,
    span: int = 1,
    sound: bool = True,
    rotation: int = 0,
) -> Path:
    """A video of 12 frames at the given times (1/30000 s), with half a second of sound."""
    times = [1001 * k for k in range(12)] if times is None else times
    bits = 16 if "10" in form else 8
    with av.open(str(path), "w") as made:
        made.metadata["title"] = "a dog"
        pictures = made.add_stream(
            codec, rate=RATE, options={"crf": "4", "bf": "2"} if codec == "libx264" else {}
        )
        pictures.width, pictures.height, pictures.pix_fmt = WIDTH, HEIGHT, form
        context = pictures.codec_context
        context.time_base = Fraction(1, 30000)
        context.colorspace, context.color_range = matrix, span
        if rotation:
            pictures.set_display_rotation(rotation)
        speech = made.add_stream("aac", rate=48000) if sound else None
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(
                frame_codes(number, bits=bits), "rgb24" if bits == 8 else "rgb48le"
            )
            frame = frame.reformat(format=form, dst_colorspace=matrix, dst_color_range=span)
            frame.pts, frame.time_base, frame.duration = time, Fraction(1, 30000), 1001
            made.mux(pictures.encode(frame))
        made.mux(pictures.encode(None))
        if speech is not None:
            wave = np.sin(np.arange(24_000) / 20, dtype=np.float32)[None]
            for at in range(0, 24_000, 1000):
                tone = av.AudioFrame.from_ndarray(wave[:, at : at + 1000], "fltp", "mono")
                tone.sample_rate, tone.pts = 48000, at
                made.mux(speech.encode(tone))
            made.mux(speech.encode(None))
    return path


def frames(path: Path, form: str = "rgb24") -> tuple[list[float], list[NDArray[Any]]]:
    with av.open(str(path)) as file:
        decoded = list(file.decode(video=0))
    return [float(frame.time) for frame in decoded], [frame.to_ndarray(format=form) for frame in decoded]


def packets(path: Path, kind: str) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as file:
        found = [p for p in file.demux() if p.stream.type == kind and p.dts is not None]
        return [(float(p.pts * p.time_base), bytes(p)) for p in found]


def same(codes: Codes) -> Codes:
    return codes


UNEVEN = [0, 1001, 2002, 5005, 5505, 6006, 9009, 9100, 10010, 12012, 15015, 16016]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("times", [None, UNEVEN], ids=["constant", "uneven"])
def test_times_length_and_sound(suffix: str, times: list[int] | None, tmp_path: Path) -> None:
    source, target = make(tmp_path / f"a{suffix}", times=times), tmp_path / f"b{suffix}"
    told: list[tuple[int, int]] = []
    assert deblur_video(same, source, target, lambda *now: told.append(now)) == (12, HEIGHT, WIDTH)
    assert told[-1] == (12 * HEIGHT * WIDTH, 12 * HEIGHT * WIDTH)
    assert len(told) == 12
    old, new = frames(source), frames(target)
    # Matroska's clock ticks once a millisecond.
    assert new[0] == pytest.approx(old[0], abs=1.1e-3 if suffix == ".mkv" else 1e-6)
    assert packets(target, "audio") == packets(source, "audio")
    with av.open(str(source)) as first, av.open(str(target)) as second:
        assert second.streams.video[0].frames == first.streams.video[0].frames
        # Containers round the end, which may be the last frame's or the sound's, to a part of a frame.
        assert second.duration == pytest.approx(first.duration, abs=1e6 / 30)
        assert [stream.type for stream in second.streams] == ["video", "audio"]
        if times is None:
            assert second.streams.video[0].average_rate == first.streams.video[0].average_rate
        assert second.metadata["title"] == "a dog"
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize(
    ("matrix", "span", "form"),
    [
        (1, 1, "yuv420p"),
        (5, 1, "yuv420p"),
        (1, 2, "yuv420p"),
        (1, 1, "yuv444p"),
        (2, 1, "yuv420p"),
        (1, 1, "yuv420p10le"),
    ],
    ids=["bt709", "bt601", "full", "444", "unsaid", "ten"],
)
def test_colours_stay(matrix: int, span: int, form: str, tmp_path: Path) -> None:
    source, target = make(tmp_path / "a.mp4", matrix=matrix, span=span, form=form), tmp_path / "b.mp4"
    seen = []

    def look(codes: Codes) -> Codes:
        seen.append(codes)
        return codes

    deblur_video(look, source, target)
    deep = form.endswith("10le")
    for number, codes in enumerate(seen):
        assert codes.dtype == (np.uint16 if deep else np.uint8)
        wanted = frame_codes(number, bits=16 if deep else 8)
        # Chroma of half the size and the coding's loss; a wrong matrix or range is 10 and more off.
        assert np.abs(codes.astype(float) - wanted).mean() < 3 * (257 if deep else 1)
    old, new = frames(source)[1], frames(target)[1]
    assert max(np.abs(a.astype(float) - b).mean() for a, b in zip(old, new, strict=True)) < 2
    with av.open(str(source)) as first, av.open(str(target)) as second:
        one, other = first.streams.video[0].codec_context, second.streams.video[0].codec_context
        for what in ("pix_fmt", "colorspace", "color_range", "width", "height", "name"):
            assert getattr(other, what) == getattr(one, what), what


def test_the_network_is_used(tmp_path: Path) -> None:
    source, target = make(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    deblur_video(lambda codes: np.uint8(255) - codes, source, target)
    difference = [
        np.abs(255.0 - a - b).mean() for a, b in zip(frames(source)[1], frames(target)[1], strict=True)
    ]
    assert max(difference) < 3


def test_a_video_that_is_held_upright_stays_so(tmp_path: Path) -> None:
    source, target = make(tmp_path / "a.mp4", rotation=90), tmp_path / "b.mp4"
    deblur_video(same, source, target)
    with av.open(str(source)) as first, av.open(str(target)) as second:
        turned = next(first.decode(video=0)).rotation
        assert turned
        assert next(second.decode(video=0)).rotation == turned


def test_a_video_without_sound(tmp_path: Path) -> None:
    target = tmp_path / "b.mp4"
    deblur_video(same, make(tmp_path / "a.mp4", sound=False), target)
    with av.open(str(target)) as file:
        assert len(file.streams) == 1


@pytest.mark.parametrize(
    ("codec", "name"), [("mpeg4", "a.avi"), ("libvpx-vp9", "a.webm"), ("libx265", "a.mp4")]
)
def test_other_codecs(codec: str, name: str, tmp_path: Path) -> None:
    source = make(tmp_path / name, codec=codec, sound=not name.endswith("webm"))
    target = tmp_path / ("b.mkv" if name.endswith("avi") else f"b{source.suffix}")
    deblur_video(same, source, target)
    old, new = frames(source), frames(target)
    assert new[0] == pytest.approx(old[0], abs=1.1e-3)
    assert max(np.abs(a.astype(float) - b).mean() for a, b in zip(old[1], new[1], strict=True)) < 3


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_what_is_no_video(content: bytes, tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as a video"):
        deblur_video(same, source, tmp_path / "b.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_video_that_is_cut_short(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mp4")
    source.write_bytes(source.read_bytes()[:-1500])
    with pytest.raises(InputError, match="cannot be read as a video"):
        deblur_video(same, source, tmp_path / "b.mp4")


def test_sound_alone_holds_no_pictures(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    with av.open(str(source), "w") as made:
        speech = made.add_stream("aac", rate=48000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate = 48000
        made.mux(speech.encode(silence))
        made.mux(speech.encode(None))
    with pytest.raises(InputError, match="holds no pictures"):
        deblur_video(same, source, tmp_path / "b.mp4")


def test_a_failure_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    calls = iter(range(100))

    def fails(codes: Codes) -> Codes:
        if next(calls) == 5:
            raise InputError("--weights", "give nothing", "take others")
        return codes

    source = make(tmp_path / "a.mp4")
    with pytest.raises(InputError, match="give nothing"):
        deblur_video(fails, source, tmp_path / "b.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_folder_that_is_not_there_and_a_container_that_cannot_be(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mp4")
    with pytest.raises(InputError, match="its folder does not exist"):
        deblur_video(same, source, tmp_path / "no" / "b.mp4")
    with pytest.raises(InputError, match=r"suffix cannot be written; take \.mp4"):
        deblur_video(same, source, tmp_path / "b.avi")


def test_without_pyav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r'PyAV is missing; pip install "lfsynth\[video\]"'):
        deblur_video(same, tmp_path / "a.mp4", tmp_path / "b.mp4")
