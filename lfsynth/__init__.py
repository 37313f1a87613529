"""Light fields in, defocus / all-in-focus pairs out."""

__version__ = "0.1.0"
