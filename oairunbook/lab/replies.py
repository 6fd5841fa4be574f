"""What a healthy API says: models, completions, responses, their events, and the status page. All of it says that it is practice."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

TEXT = ("This ", "is ", "practice.")
"""The model's text, as its stream delivers it."""

_USAGE = {"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11}
_PAGE = {"id": "practice", "name": "OpenAI (oairunbook practice lab)", "url": "https://status.lab.test"}
_STATUS = {"indicator": "none", "description": "All Systems Operational (oairunbook practice lab)"}


def model(name: str) -> dict[str, Any]:
    """One entry of `GET /models`."""
    return {"id": name, "object": "model", "created": 1700000000, "owned_by": "oairunbook-practice"}


def request_problem(endpoint: str, body: dict[str, Any] | None, has_model: bool) -> dict[str, Any] | None:
    """The 400 body for a request that the API would refuse; None if it is well-formed."""
    wanted = "messages" if endpoint == "chat" else "input"
    if body is None:
        message, param = "We could not parse the JSON body of your request.", None
    elif not has_model:
        message, param = "you must provide a model parameter", None
    elif wanted not in body:
        message, param = f"Missing required parameter: '{wanted}'.", wanted
    else:
        return None
    code = "missing_required_parameter" if param else None
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


def chat_completion(name: str) -> dict[str, Any]:
    """A whole answer to `POST /chat/completions`."""
    return {
        "id": f"chatcmpl-practice{uuid.uuid4().hex[:20]}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": name,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "".join(TEXT), "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": _USAGE,
        "service_tier": "default",
        "system_fingerprint": "fp_practice",
    }


def chat_events(name: str, *, error: bool) -> tuple[bytes, ...]:
    """Server-sent events of a streamed chat completion, ended by `data: [DONE]`; with *error*, one error event instead of the rest."""
    common = {
        "id": f"chatcmpl-practice{uuid.uuid4().hex[:20]}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": name,
        "system_fingerprint": "fp_practice",
    }

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return _data({**common, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]})

    start = chunk({"role": "assistant", "content": "", "refusal": None})
    if error:
        broken = {
            "message": "The server had an error processing your request.",
            "type": "server_error",
            "param": None,
            "code": None,
        }
        return (start, _data({"error": broken}))
    return (start, *(chunk({"content": part}) for part in TEXT), chunk({}, "stop"), b"data: [DONE]\n\n")


def response(name: str, *, identifier: str = "", status: str = "completed") -> dict[str, Any]:
    """An answer to `POST /responses`, whole or one of a stream's snapshots."""
    return {
        "id": identifier or f"resp_practice{uuid.uuid4().hex}",
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": name,
        "output": [_message("".join(TEXT))] if status == "completed" else [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": 8,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 3,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 11,
        }
        if status == "completed"
        else None,
    }


def response_events(name: str, *, error: bool) -> tuple[bytes, ...]:
    """Server-sent events of a streamed response, ended by `response.completed`; with *error*, by an `error` event."""
    identifier = f"resp_practice{uuid.uuid4().hex}"
    started = response(name, identifier=identifier, status="in_progress")
    events: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": started}),
        ("response.in_progress", {"response": started}),
    ]
    if error:
        events.append(
            (
                "error",
                {"code": "server_error", "message": "The server had an error processing your request.", "param": None},
            )
        )
    else:
        place = {"item_id": "msg_practice", "output_index": 0, "content_index": 0}
        whole = "".join(TEXT)
        part = {"type": "output_text", "annotations": [], "text": whole}
        item = {"output_index": 0, "item": {**_message(""), "status": "in_progress", "content": []}}
        events.append(("response.output_item.added", item))
        events.append(("response.content_part.added", {**place, "part": {**part, "text": ""}}))
        events += [("response.output_text.delta", {**place, "delta": text, "logprobs": []}) for text in TEXT]
        events.append(("response.output_text.done", {**place, "text": whole, "logprobs": []}))
        events.append(("response.content_part.done", {**place, "part": part}))
        events.append(("response.output_item.done", {"output_index": 0, "item": _message(whole)}))
        events.append(("response.completed", {"response": response(name, identifier=identifier)}))
    return tuple(
        f"event: {kind}\n".encode() + _data({"type": kind, "sequence_number": number, **fields})
        for number, (kind, fields) in enumerate(events)
    )


def beside_the_api(surface: str, path: str) -> tuple[int, Any] | None:
    """Status and body of what a gateway serves besides the API, without asking for a key; None for the API's own paths."""
    match surface, path:
        case "litellm", "/health/liveliness" | "/health/liveness":
            return 200, '"I\'m alive!"'
        case "litellm", "/health/readiness":
            return 200, {"status": "healthy", "db": "Not connected", "litellm_version": "1.109.1"}
        case "litellm", "/health":
            message = "Authentication Error, No api key passed in."
            return 401, {"error": {"message": message, "type": "auth_error", "param": "None", "code": "401"}}
        case "vllm", "/health":
            return 200, ""
        case ("litellm", "/") | ("vllm", _) if not path.startswith("/v1/"):
            return 404, {"detail": "Not Found"}
    return None


def _message(text: str) -> dict[str, Any]:
    return {
        "id": "msg_practice",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "annotations": [], "text": text}],
    }


def _data(document: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(document)}\n\n".encode()


def status_document(path: str) -> dict[str, Any] | None:
    """The status page's JSON for a path; None for every other path.

    `summary.json` leaves out `incidents`, as incident.io's pages do.
    """
    components = [
        {"id": "01PRACTICE00000000000000001", "name": name, "status": "operational"} for name in ("Responses", "Login")
    ]
    match path:
        case "/api/v2/summary.json":
            return {"page": _PAGE, "status": _STATUS, "components": components, "scheduled_maintenances": []}
        case "/api/v2/status.json":
            return {"page": _PAGE, "status": _STATUS}
        case "/api/v2/components.json":
            return {"page": _PAGE, "components": components}
        case "/api/v2/incidents.json":
            return {"page": _PAGE, "incidents": []}
    return None
