"""A fleet in records: read from files, written into an archive, shown as picture, table and text."""

from oairunbook.record.fleet.reading import FLEET_FILE, RecordsError, example_of, read_fleet
from oairunbook.record.fleet.text import as_text

__all__ = ["FLEET_FILE", "RecordsError", "as_text", "example_of", "read_fleet"]
