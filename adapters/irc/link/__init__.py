"""How a session of the protocol reaches its server: sockets, certificates, and one session run over one carrier.

`transport` opens TCP with or without TLS, `tls` checks certificates, `route` picks the way that the configuration or
the server's policy (STS) demands, and `connection` runs a session over what was opened. Imports
`adapters.irc.protocol`, and nothing else of the adapter.
"""
