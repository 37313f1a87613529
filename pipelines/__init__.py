"""What joins lfsynth, psf and drbnet: the demo."""
