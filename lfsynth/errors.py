"""The one kind of error that a user can cause and cure."""

from __future__ import annotations

from pathlib import Path


class InputError(Exception):
    """An input that cannot be used as it is.

    Its text is one line: the file, what is wrong with it, what to do. The commands print that line and exit
    with code 2; a batch sets the file aside and goes on.

    Parameters
    ----------
    path : path of the file or folder at fault, or the option's name
    fault : what is wrong, without a full stop
    cure : what the user can do, without a full stop
    """

    def __init__(self, path: str | Path, fault: str, cure: str) -> None:
        super().__init__(str(path), fault, cure)
        self.path = str(path)
        self.fault = fault
        self.cure = cure

    def __str__(self) -> str:
        """The one line that the user sees."""
        return " ".join(f"{self.path}: {self.fault}; {self.cure}".split())
