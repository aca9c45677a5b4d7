"""The hand that is kept on calls: a clock that needs no socket, and a watch that listens.

`clock` ends what is past its deadline. `owner` holds the calls that this process watches, and
`watch` one of them; what it hears it gives to `machine`, which decides, from what `frames` reads,
with `idle`, `drift`, `usage` and `prices`. `seen` is what is left of it in the call's record.
"""
