"""The log lines of the services: reading, parsing, selecting, and forwarding to a stream.

- `files`: the lines of the log files, forwards and backwards, each with time, file and offset
- `tail`: the lines of a log after a position, while the log grows
- `record`: the level, the ids and the fields that are parsed from a line
- `selection`: the lines that the options of a user select
- `forwarding`, `stream`: the lines in a JetStream stream; these modules need nats-py

All modules except the last two use the standard library only.
"""
