"""What a user sees of a training."""

import io
import math

import pytest
from rich.console import Console

from drbnet import training_progress
from drbnet.training_progress import Bar, Lines, Pace, Silent, duration, view


def test_a_bar_shows_the_stage_and_the_pace() -> None:
    text = io.StringIO()
    bar = Bar(Console(file=text, force_terminal=True, width=120))
    bar.stage("stage 1", 10, 4)
    for _ in range(3):
        bar.step(0.5, 25.0, 8)
    bar.line("[said] beside it")
    bar.close()
    shown = text.getvalue()
    assert "stage 1" in shown
    assert "7/10" in shown
    assert "loss 0.5000, 25.00 dB" in shown
    assert "images/s" in shown
    assert "[said] beside it" in shown


def test_a_log_has_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(training_progress.time, "monotonic", lambda: now[0])
    lines = Lines()
    lines.stage("stage 2", 100, 0)
    for _ in range(62):
        now[0] += 1
        lines.step(0.25, 30.0, 8)
    lines.close()
    assert capsys.readouterr().err.splitlines() == [
        "stage 2: 30 of 100 steps, loss 0.2500, 30.00 dB, 8.0 images/s, 70 s left",
        "stage 2: 60 of 100 steps, loss 0.2500, 30.00 dB, 8.0 images/s, 40 s left",
    ]


def test_means_leave_out_what_is_no_number() -> None:
    pace = Pace(10, 0)
    pace.count(0.5, 20.0, 1)
    pace.count(math.nan, math.nan, 1)
    assert str(pace).startswith("loss 0.5000, 20.00 dB")


def test_one_process_alone_shows(capsys: pytest.CaptureFixture[str]) -> None:
    silent = view(leads=False)
    assert isinstance(silent, Silent)
    silent.stage("stage 1", 1, 0)
    silent.step(1.0, 1.0, 1)
    silent.line("something")
    silent.close()
    assert capsys.readouterr() == ("", "")
    assert isinstance(view(leads=True), Lines)


@pytest.mark.parametrize(
    ("seconds", "said"), [(8.2, "8 s"), (300, "5 min"), (12000, "3 h 20 min"), (99.4, "99 s")]
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said
