"""The command, as ``extract`` and as ``python -m extract``: its modules are loaded where Ctrl-C is no error yet."""

import sys

try:
    from .cli import main
except KeyboardInterrupt:
    sys.exit(130)  # nothing was begun

__all__ = ["main"]

if __name__ == "__main__":
    main()
