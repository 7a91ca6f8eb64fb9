"""Launcher for a checkout: ``python cli.py ...`` is ``embedpipe ...``."""

from embedpipe.cli import main

if __name__ == "__main__":
    main()
