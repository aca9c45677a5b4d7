"""Imported by an interpreter as it starts: by its clock it is another time."""

import os
import time

_right, _ahead = time.time, float(os.environ["AHEAD_SECONDS"])
time.time = lambda: _right() + _ahead
