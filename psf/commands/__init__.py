"""The commands of ``psf``, a file each."""
