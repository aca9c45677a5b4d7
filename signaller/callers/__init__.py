"""Who asks: the proofs of identity a caller may bring."""

from signaller.callers.desk import FrontDesk
from signaller.callers.key_sets import KeySets

__all__ = ["FrontDesk", "KeySets"]
