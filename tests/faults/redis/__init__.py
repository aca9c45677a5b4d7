"""A Redis that dies, freezes, fills up, moves house or fails at one step."""
