"""Panels of the interactive notebooks: widgets that show what the package computed, and decide nothing."""

from oairunbook.record.panel.game import Game
from oairunbook.record.panel.triage import Triage

__all__ = ["Game", "Triage"]
