"""The same path and the same minimal request by the application's own Node.js: one text for `node -`, and what came back as evidence.

`stream` makes the text of the scripts beside it, `record` reads what they saw. Nothing of the other side is written anywhere there.
"""
