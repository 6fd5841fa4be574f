"""A small API of somebody else's: Python's own http.server, HTTP/1.0, one request at a time, no header of OpenAI's.

    small_api.py PORT CHAIN KEY

It answers a POST to any path, streamed or not, and knows nothing else.
"""

import http.server
import json
import ssl
import sys


class Small(http.server.BaseHTTPRequestHandler):
    """Answers chat completions."""

    def do_POST(self) -> None:
        """A completion, or a stream with one in it."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = {"id": "chatcmpl-1", "created": 1, "model": asked["model"]}
        message = {"role": "assistant", "content": "pong"}
        if asked.get("stream"):
            part = answer | {"object": "chat.completion.chunk"}
            chunks = ({"delta": message}, {"delta": {}, "finish_reason": "stop"})
            lines = [f"data: {json.dumps(part | {'choices': [{'index': 0} | chunk]})}\n\n" for chunk in chunks]
            self._send("text/event-stream", "".join([*lines, "data: [DONE]\n\n"]))
            return
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self._send("application/json", json.dumps(answer | {"object": "chat.completion", "choices": [choice]}))

    def _send(self, content_type: str, body: str) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


def main(port: str, chain: str, key: str) -> None:
    """Serve until the process is ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    server = http.server.HTTPServer(("", int(port)), Small)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
