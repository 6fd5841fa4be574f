"""Inside the application: what its own failing call shows, recorded at the moment of failure, for code that nobody can enter.

`recording` keeps what the transport did for the last requests of a client, `failure` reads an exception, `record` makes evidence of it, `telling`
says where that goes, and `block` is the context manager. Nothing here is ever raised into the application.
"""
