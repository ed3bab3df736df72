"""
The spool: what waits on the disk for the network.

A log of segments. One process appends (`writer`), another one reads, sends and deletes what was acknowledged
(`reader`). Every call to the file system goes through `files`, so that a test can cut the power at each of them.
"""
