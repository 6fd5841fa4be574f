"""One minimal request by the installed OpenAI SDK, with nothing of oairunbook: run as a script inside a client.

Prints `answered` and the class of the answer, or the exception chain, outermost first, one exception a line.
"""

import os

import openai

_SECONDS = 2.0


def main() -> None:
    make = openai.AzureOpenAI if "AZURE_OPENAI_ENDPOINT" in os.environ else openai.OpenAI
    try:
        client = make(timeout=openai.Timeout(_SECONDS, connect=_SECONDS), max_retries=0)
        answer = client.chat.completions.create(
            model="gpt-5-mini", messages=[{"role": "user", "content": "ping"}], max_completion_tokens=16
        )
    except Exception as error:
        link: BaseException | None = error
        while link is not None:
            status, code = getattr(link, "status_code", ""), getattr(link, "code", "")
            print(f"{type(link).__name__} {status} {code} {link}")
            link = link.__cause__ or link.__context__
    else:
        print("answered", type(answer).__name__)


main()
