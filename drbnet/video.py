"""Videos deblurred frame by frame: frames keep their times, all that is no picture is copied as it is.

FFmpeg's libraries, by PyAV, read and write. A frame goes through the network as sRGB-like codes of 8 bits, or of 16 for
videos of more than 8; matrix and range of its colours are undone and done again alike, so that what the network leaves
alone stays, but for the coding.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from drbnet.tiling import Codes, Progress
from lfsynth.errors import InputError

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""FFmpeg's name of a container by the suffix."""
WRITTEN_AS = {".avi": ".mkv"}
"""Containers that today's codecs do not go into, and what is written in their place."""
VIDEO_SUFFIXES = frozenset(CONTAINERS) | frozenset(WRITTEN_AS)
QUALITY = "16"
"""Rate factor of x264, x265 and VP9: hardly seen from the original; smaller is better and larger."""
_ENCODERS = {"hevc": "libx265", "vp9": "libvpx-vp9", "vp8": "libvpx-vp9", "av1": "libvpx-vp9"}
_USUAL_ENCODER = "libx264"
_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG)
_NO_MATRIX = (0, 2, 3)  # RGB, unspecified, reserved (ITU-T H.273, table 4)
_LIMITED = 1  # FFmpeg's number of the range 16 to 235
_FULL_RANGE = {"yuvj420p": "yuv420p", "yuvj422p": "yuv422p", "yuvj444p": "yuv444p"}


def deblur_video(
    deblur: Callable[[Codes], Codes], source: Path, target: Path, progress: Progress | None = None
) -> tuple[int, int, int]:
    """Deblur a video into another, which is whole or not there.

    Parameters
    ----------
    deblur : (H, W, 3) uint8 or uint16 to the like
    source : any video that FFmpeg reads; of several pictures' streams the first is deblurred
    target : its suffix is the container, see `CONTAINERS`
    progress : told of pixels done, as far as the number of frames is known

    Returns
    -------
    number of frames, height, width

    Raises
    ------
    InputError : where PyAV is missing, a file cannot be read or written, or the video is damaged
    """
    try:
        import av
    except ImportError:
        raise InputError(
            source, "is a video, for which PyAV is missing", 'pip install "lfsynth[video]"'
        ) from None
    container = CONTAINERS.get(target.suffix.lower())
    if container is None:
        raise InputError(target, "a video of this suffix cannot be written", "take .mp4, .mov, .mkv or .webm")
    if not target.parent.is_dir():
        raise InputError(target, "its folder does not exist", "make the folder or choose another --out")
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with av.open(str(source)) as given:
            if not given.streams.video:
                raise InputError(source, "holds no pictures", "take another file")
            # A frame tells it, and the stream that is made has to know it before its first one.
            first = next(given.decode(video=0), None)
            rotation = 0 if first is None else int(first.rotation)
        with av.open(str(source)) as given, av.open(str(partial), "w", format=container) as made:
            size = _transcode(deblur, given, made, container, rotation, progress)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(target)
    except av.FFmpegError as error:
        what = f"{error.strerror or error}"
        ours = error.errno in _WRITING or str(partial) in str(error.filename or "")
        raise InputError(
            target if ours else source,
            f"it cannot be {'written' if ours else 'read as a video'} ({what})",
            "check the path and the disk" if ours else "check that it plays, or convert it",
        ) from error
    except OSError as error:
        raise InputError(
            target, f"it cannot be written ({error.strerror})", "check the path and the disk"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    if not size[0]:
        target.unlink()
        raise InputError(source, "holds no frame that can be read", "check that it plays, or convert it")
    return size


def _transcode(
    deblur: Callable[[Codes], Codes],
    given: InputContainer,
    made: OutputContainer,
    container: str,
    rotation: int,
    progress: Progress | None,
) -> tuple[int, int, int]:
    pictures = given.streams.video[0]
    pictures.thread_type = "AUTO"
    made.metadata.update(given.metadata)
    copies = {}
    for stream in given.streams:  # in their order
        if stream is pictures:
            coded = _coded_like(made, pictures, container, rotation)
        elif stream.type in ("audio", "subtitle"):
            copies[stream.index] = made.add_stream_from_template(stream)
    expected = pictures.frames or round(
        float((pictures.duration or 0) * (pictures.time_base or 0) * _rate(pictures))
    )
    count = 0
    for packet in given.demux():
        copy = copies.get(packet.stream.index)
        if copy is not None and packet.dts is not None:
            packet.stream = copy
            made.mux(packet)
        elif packet.stream is pictures:
            for frame in cast("list[VideoFrame]", packet.decode()):
                made.mux(coded.encode(_deblurred(deblur, frame, coded)))
                count += 1
                if progress is not None:
                    pixels = frame.width * frame.height
                    progress(count * pixels, max(count, expected) * pixels)
    if count:
        made.mux(coded.encode(None))
    return count, pictures.height, pictures.width


def _rate(pictures: VideoStream) -> Fraction:
    return pictures.average_rate or pictures.guessed_rate or Fraction(25)


def _coded_like(made: OutputContainer, pictures: VideoStream, container: str, rotation: int) -> VideoStream:
    """A stream for pictures like others, in the same codec where that can be written."""
    import av

    name = _ENCODERS.get(pictures.codec_context.name, _USUAL_ENCODER)
    if (container == "webm") != (name == "libvpx-vp9") and container in ("webm", "mov"):
        name = "libvpx-vp9" if container == "webm" else _USUAL_ENCODER
    options = {"crf": QUALITY, **({"b": "0"} if name == "libvpx-vp9" else {})}
    if name == "libx265":
        options["x265-params"] = "log-level=error"
    stream = cast("VideoStream", made.add_stream(name, rate=_rate(pictures), options=options))
    own, context = pictures.codec_context, stream.codec_context
    form = _FULL_RANGE.get(own.pix_fmt or "", own.pix_fmt)
    formats = {one.name for one in av.Codec(name, "w").video_formats or ()}
    stream.width, stream.height = pictures.width, pictures.height
    stream.pix_fmt = form if form in formats else "yuv420p"
    if pictures.time_base is not None:
        context.time_base = pictures.time_base
    for what in ("color_primaries", "color_trc", "colorspace", "color_range"):
        setattr(context, what, getattr(own, what))
    if own.sample_aspect_ratio:
        context.sample_aspect_ratio = own.sample_aspect_ratio
    stream.metadata.update(pictures.metadata)
    if rotation:
        stream.set_display_rotation(rotation)
    return stream


def _deblurred(deblur: Callable[[Codes], Codes], frame: VideoFrame, coded: VideoStream) -> VideoFrame:
    import av

    deep = any(component.bits > 8 for component in frame.format.components)
    form = "rgb48le" if deep else "rgb24"
    full = av.video.reformatter.ColorRange.JPEG
    # Where a video does not say its matrix, any will do, as long as it is the same there and back.
    said = frame.colorspace not in _NO_MATRIX
    matrix = frame.colorspace if said else av.video.reformatter.Colorspace.ITU601
    span = frame.color_range or (full if frame.format.name in _FULL_RANGE else _LIMITED)
    colours: dict[str, Any] = {"src_colorspace": matrix, "src_color_range": span, "dst_color_range": full}
    result: VideoFrame = av.VideoFrame.from_ndarray(
        deblur(cast(Codes, frame.to_ndarray(format=form, **colours))), form
    )
    result.color_range = full
    result = result.reformat(format=coded.pix_fmt, dst_colorspace=matrix, dst_color_range=span)
    result.colorspace, result.color_range = frame.colorspace, frame.color_range
    result.pts, result.time_base, result.duration = frame.pts, frame.time_base, frame.duration
    return result
