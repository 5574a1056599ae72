"""How a session of the protocol reaches its server: sockets, certificates, and one session run over one carrier.

`transport` opens TCP with or without TLS, `tls` checks certificates, `route` picks the way that the configuration or
the server's policy (STS) demands, `kept` has a keeper hold what is opened, and finds it there again, and `connection`
runs a session over it. Imports `adapters.irc.protocol`, and nothing else of the adapter.
"""
