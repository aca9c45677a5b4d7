"""`signaller`, and `python -m signaller`"""

import io
import signal
import sys


def main() -> None:
    """Run the command line."""
    # A terminal that lacks a letter of somebody's model name gets it as an escape.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # Who asks for a reload while Python still imports must not end the process: it is held.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    from signaller.cli import main as run  # noqa: PLC0415 - takes half a second

    run()


if __name__ == "__main__":
    main()
