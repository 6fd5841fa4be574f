"""What the practice API can answer, besides its normal answers: one declared entry for each behaviour.

In the texts `{method}`, `{path}`, `{model}`, `{masked_key}`, `{request_id}` and `{redirect_to}` stand for the request's own.
The bodies are those of the real servers, as recorded in public and in the providers' documentation.
"""

from __future__ import annotations

from oairunbook.lab.answers.answer import Answer, CorsBehaviour, Manner, Surface
from oairunbook.lab.answers.azure import AZURE, AZURE_AUTH_FAILED, AZURE_DEPLOYMENT_NOT_FOUND, AZURE_RESOURCE_NOT_FOUND
from oairunbook.lab.answers.between import BETWEEN, CONNECTION
from oairunbook.lab.answers.gateways import GATEWAYS
from oairunbook.lab.answers.openai import ENDPOINT_NOT_FOUND, INVALID_KEY, MISSING_KEY, MODEL_NOT_FOUND, OPENAI

ANSWERS: dict[str, Answer] = {
    answer.name: answer for group in (OPENAI, AZURE, GATEWAYS, BETWEEN, CONNECTION) for answer in group
}

__all__ = [
    "ANSWERS",
    "AZURE_AUTH_FAILED",
    "AZURE_DEPLOYMENT_NOT_FOUND",
    "AZURE_RESOURCE_NOT_FOUND",
    "ENDPOINT_NOT_FOUND",
    "INVALID_KEY",
    "MISSING_KEY",
    "MODEL_NOT_FOUND",
    "Answer",
    "CorsBehaviour",
    "Manner",
    "Surface",
]
