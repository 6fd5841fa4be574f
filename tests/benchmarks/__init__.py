"""Measurements that no test run makes; each is one command that prints a table."""
