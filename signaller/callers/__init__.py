"""Who asks: the proofs of identity a caller may bring."""

from signaller.callers.master import MasterKey

__all__ = ["MasterKey"]
