import os
from pathlib import Path

import pytest

from lfsynth import machine


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree of control groups of which the innermost is this process's."""
    monkeypatch.setattr(machine, "CGROUPS", tmp_path)
    monkeypatch.setattr(
        machine, "_groups", lambda: [tmp_path / "outer" / "inner", tmp_path / "outer", tmp_path]
    )
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    return tmp_path


def test_without_limits_the_machine_decides(groups: Path) -> None:
    (groups / "outer" / "cpu.max").write_text("max 100000\n")
    (groups / "outer" / "memory.max").write_text("max\n")
    assert machine.cores() == len(os.sched_getaffinity(0))
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < machine.free_memory() < total


def test_the_tightest_share_of_cores_counts(groups: Path) -> None:
    (groups / "outer" / "inner" / "cpu.max").write_text("400000 100000\n")
    (groups / "outer" / "cpu.max").write_text("150000 100000\n")
    assert machine.cores() == 1
    (groups / "outer" / "cpu.max").write_text("50000 100000\n")
    assert machine.cores() == 1  # half a core is one process


def test_the_tightest_limit_of_memory_counts(groups: Path) -> None:
    (groups / "outer" / "memory.max").write_text("5000000\n")
    (groups / "outer" / "memory.current").write_text("4000000\n")
    (groups / "outer" / "memory.stat").write_text("anon 3000000\ninactive_file 700000\n")
    assert machine.free_memory() == 1_700_000
    (groups / "outer" / "inner" / "memory.max").write_text("100\n")
    (groups / "outer" / "inner" / "memory.current").write_text("200\n")
    assert machine.free_memory() == 0


def test_this_process_is_in_some_group() -> None:
    for group in machine._groups():
        assert group == machine.CGROUPS or machine.CGROUPS in group.parents
