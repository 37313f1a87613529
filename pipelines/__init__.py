"""What joins lfsynth, psf and drbnet: jobs that go through more than one of them, and the demo."""
