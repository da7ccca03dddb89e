"""``python -m service``: start the server."""

from service.main import cli

if __name__ == "__main__":
    cli()
