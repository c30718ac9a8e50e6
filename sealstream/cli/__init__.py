"""The command line. Each command is thin: it reads arguments, calls the library, prints.

Heavy imports belong inside the commands: `sealstream --help` has to answer at once.
"""

from sealstream.cli.app import main

__all__ = ["main"]
