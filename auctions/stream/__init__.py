"""The live stream of an auction: server-sent events out of the table of its public events.

`reading` asks the table, `hub` does so once per process for all who watch, `frames` puts an event into bytes,
`conversation` decides what one watcher is sent next, and `responses` carries that over a thread or an event loop.
"""
