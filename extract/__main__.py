"""``python -m extract``: the command."""

from .cli import main

main()
