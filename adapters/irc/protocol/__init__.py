"""The IRC client protocol without any I/O: bytes in, typed events out, with the clock injected.

One `session.Session` is one connection's conversation with a server. It is made in three steps, `sender` (what we
say, and how fast), `registering` (how we come in) and `session` (what is heard); the rest are their parts: lines
(`linebuffer`, `message`, `encoding`, `ctcp`), what the server says of itself (`caps`, `isupport`, `casemap`, `sts`),
how we log in (`sasl`, `scram`, `nickserv`, `webirc`), what is under way (`flood`, `pending`, `states`), what is not
even read (`sieve`), and what comes out (`events`, `channels`, `tracking`, `numerics`, `refusals`, `errors`). Nothing
here imports the rest of the adapter.
"""
