"""A runbook for `openai.APIConnectionError`: where the evidence first changes, who owns that, what to hand over."""

__version__ = "0.1.0"
