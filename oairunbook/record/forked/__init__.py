"""Fresh processes for each notebook without paying for their start: engine and kernel are forked from parents that have imported everything.

A kernel that serves two notebooks would carry environment, default timeouts, patched modules and threads of the first into the evidence of
the second. A fork of a process that has only imported modules carries none of them. Linux alone: elsewhere processes are started.
"""
