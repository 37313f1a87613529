"""One file a command of ``lfsynth``."""
