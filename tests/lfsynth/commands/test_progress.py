import io
from pathlib import Path

import pytest
from rich.console import Console

from lfsynth.batch import Outcome
from lfsynth.commands import progress
from lfsynth.commands.progress import Pace, duration


def outcome(*, fault: str = "", made: bool = True) -> Outcome:
    return Outcome("x", Path("x"), (), fault, made)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_durations() -> None:
    assert [duration(s) for s in (0.2, 99, 100, 3600, 12000)] == [
        "0 s",
        "99 s",
        "2 min",
        "60 min",
        "3 h 20 min",
    ]


def test_pace_counts_only_what_this_run_makes(clock: list[float]) -> None:
    pace = Pace(100, began=clock[0])
    for _ in range(50):
        pace.count(outcome(made=False))
    assert str(pace) == ""
    clock[0] += 10
    pace.count(outcome())
    pace.count(outcome(fault="bad"))
    for _ in range(19):
        pace.count(outcome())
    assert pace.done == 71
    assert pace.made == 20
    # 20 in 10 s, so 29 more take 14.5 s.
    assert str(pace) == "2.00 light fields/s, 14 s left"


def test_a_log_gets_a_line_now_and_then(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    pace = Pace(1000, began=clock[0])
    log = progress._Log()
    for _ in range(130):
        clock[0] += 0.5
        pace.count(outcome())
        log.show(pace)
    log.line("set aside: [red]x")
    log.close()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "60 of 1000 light fields, 2.00 light fields/s, 8 min left",
        "120 of 1000 light fields, 2.00 light fields/s, 7 min left",
        "set aside: [red]x",
    ]


def test_a_bar_on_a_terminal(clock: list[float]) -> None:
    screen = io.StringIO()
    pace = Pace(4, began=clock[0])
    bar = progress._Bar(Console(file=screen, force_terminal=True, width=100), Pace(4))
    clock[0] += 2
    pace.count(outcome())
    bar.line("set aside: [red]x " + "y" * 200)
    bar.show(pace)
    bar.close()
    shown = screen.getvalue()
    assert "set aside: [red]x " + "y" * 200 in shown
    assert "1/4" in shown
    assert "0.50 light fields/s, 6 s left" in shown
