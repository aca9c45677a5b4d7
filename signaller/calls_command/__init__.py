"""`signaller calls`: lists, watches, shows and ends the calls of a running service, over HTTP."""

from signaller.calls_command.commands import calls

__all__ = ["calls"]
