"""The page on which people look at the kernels of an estimate."""
