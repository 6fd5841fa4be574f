"""One minimal request by the installed OpenAI SDK, with nothing of oairunbook: run as a script inside a client.

    sdk_request.py [stream | IDLE_SECONDS]

Prints `answered` and the class of the answer, or the exception chain, outermost first, one exception a line.
"""

import os
import sys
import time

_SECONDS = 2.0


def main(how: str = "") -> None:
    try:
        import openai

        make = openai.AzureOpenAI if "AZURE_OPENAI_ENDPOINT" in os.environ else openai.OpenAI
        http_client = None
        if how.isdigit():
            # The SDK's default forgets a connection after five idle seconds; an application with a pool of its own does not.
            transport = sys.modules.get("httpx2") or sys.modules["httpx"]
            limits = transport.Limits(keepalive_expiry=600)
            http_client = openai.DefaultHttpxClient(limits=limits)
        client = make(timeout=openai.Timeout(_SECONDS, connect=_SECONDS), max_retries=0, http_client=http_client)
        answer = ask(client)
        if how == "stream":
            answer = ask(client, stream=True)
            parts = [part.choices[0].finish_reason for part in answer]
            print("parts", len(parts), parts[-1])
        if how.isdigit():
            print("first", type(answer).__name__)
            time.sleep(int(how))
            answer = ask(client)
    except Exception as error:
        link: BaseException | None = error
        while link is not None:
            status, code = getattr(link, "status_code", ""), getattr(link, "code", "")
            print(f"{type(link).__name__} {status} {code} {link}")
            link = link.__cause__ or link.__context__
    else:
        print("answered", type(answer).__name__)


def ask(client, **more):  # type: ignore[no-untyped-def]
    return client.chat.completions.create(
        model="gpt-5-mini", messages=[{"role": "user", "content": "ping"}], max_completion_tokens=16, **more
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
