"""Going to the path: the observing half runs where the application runs, and its record is judged here.

`stream` makes one text for a Python's standard input, `loader` is what runs first there, `carrier` starts the command and reads what comes
back, `place` says which command leads to which place, and `there` puts them together.
"""
