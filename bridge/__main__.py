"""``python -m bridge`` is the command ``rialto``."""

from bridge.cli import app

if __name__ == "__main__":
    app(prog_name="rialto")
