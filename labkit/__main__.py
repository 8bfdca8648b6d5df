"""`python -m labkit` does what `labkit` does."""

from labkit.cli import main

main()
