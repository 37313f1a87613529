"""``python -m lfsynth``: the command `lfsynth.cli`."""

from lfsynth.cli import main

if __name__ == "__main__":
    main()
