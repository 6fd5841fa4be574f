"""Tests of oairunbook; `tests.world` holds the test world of network namespaces."""
