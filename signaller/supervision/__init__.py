"""The hand that is kept on calls: a clock that needs no socket, and a watch that listens.

They share no state but the call's record (`realtime.call_records`). The clock (`clock`) runs in
every process and ends what is past its deadline, watched or not. The watch of a call is kept by
one process at a time, and is made of these, of which each knows only those below it:

    owner     the calls that this process watches: leases, and taking over
    handover  how a call goes to its heir while one of the two always listens
    watch     one of them: its sideband, its record, and doing what `machine` decides
    early     what is heard before anybody decides, as an heir does
    machine   decides, without I/O: what happens and the time go in, effects come out
    frames    what a provider's event says, as far as it matters
    idle      when silence ends the call
    drift     whether the client has changed its session
    seen      what `machine` knows, as it is shown, and as it is written for an heir
    prices    what the usage costs
    usage     what was used, each response once

What a watch needs of its owner it asks of `watch.Home`. A frame goes from the socket in `watch` to
`machine`, and the effects come back to `watch`, which writes, warns, hangs up, or tells its owner.
"""
