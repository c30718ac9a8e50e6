"""`python -m sealstream`."""

from sealstream.cli import main

main()
