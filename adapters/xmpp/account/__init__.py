"""XMPP by an ordinary account (``mode: client``), for those who do not run the server: one bot, no puppets."""
