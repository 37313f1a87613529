"""A local page that deblurs photographs: what `drbnet.serve` serves."""
