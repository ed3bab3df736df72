"""
The uplink: the process that sends what waits in the spool.

A name that is looked up for a minute, a TLS handshake, a broker that accepts and says nothing: all of it delays this
process alone. Killed at any moment, it loses nothing: a record is deleted when the broker has acknowledged it.
"""
