"""Who asks: the proofs of identity a caller may bring."""

from signaller.callers.front_desk import FrontDesk
from signaller.callers.jwks import KeySets

__all__ = ["FrontDesk", "KeySets"]
