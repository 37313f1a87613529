"""``python -m pipelines.paper``."""

from pipelines.paper.command import main

main()
