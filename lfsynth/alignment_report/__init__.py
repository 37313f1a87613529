"""The page on which people look at the alignment of a dataset's pairs."""
