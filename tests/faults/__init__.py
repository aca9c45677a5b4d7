"""The service while something around it breaks.

A short form of everything is part of `make test`; `make faults` runs the long one (FAULTS=long).
"""

import os

LONG = os.environ.get("FAULTS") == "long"
"""Whether there is time for all of it. From the environment: worker processes inherit that."""
