"""``python -m embedpipe`` is ``embedpipe``."""

from embedpipe.cli import main

if __name__ == "__main__":
    main()
