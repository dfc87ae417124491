"""What a user of the official SDK for Python sees of each call, from the provider itself and through Headgate.

Reads {"clients": {name: {"url", "key"}}, "calls": [{"name", "operation", "bodies": {client: body}}]} as JSON from standard
input; writes [{"name", client: outcome}] to standard output, an outcome being {"chunks", "value", "error"}.
"""

import json
import sys

import openai

# The SDK's own parameters that it does more with than put them into the body; everything else is sent as it is.
OWN = {
    "chat": ("model", "messages", "stream"),
    "completions": ("model", "prompt", "stream"),
    "embeddings": ("model", "input", "encoding_format"),
}


def outcome_of(client, operation, body):
    chunks, value = [], None
    own = {name: body[name] for name in OWN[operation] if name in body}
    rest = {name: field for name, field in body.items() if name not in own}
    endpoint = client.chat.completions if operation == "chat" else getattr(client, operation)
    try:
        answer = endpoint.create(**own, extra_body=rest)
        if isinstance(answer, openai.Stream):
            for chunk in answer:
                chunks.append(plain(chunk))
        else:
            value = plain(answer)
        return {"chunks": chunks, "value": value, "error": None}
    except Exception as error:
        return {"chunks": chunks, "value": value, "error": seen(error)}


def plain(model):
    """Every field, those unknown to the SDK too, whatever their types: providers do not keep to OpenAI's."""
    fields = json.dumps(model.model_dump(mode="json", warnings=False))
    # Bytes that are no floats, decoded as floats, are not all numbers; JSON has none of the others.
    return json.loads(fields, parse_constant=str)


def seen(error):
    """An error without what belongs to one connection: its headers and its request id."""
    fields = ("status_code", "code", "param", "type", "body")
    return {
        "class": type(error).__name__,
        "message": str(error),
        **{name: getattr(error, name, None) for name in fields},
    }


def main():
    given = json.load(sys.stdin)
    # One attempt: what is compared is one answer, not the SDK's patience.
    clients = {
        name: openai.OpenAI(base_url=at["url"], api_key=at["key"], max_retries=0)
        for name, at in given["clients"].items()
    }
    results = [
        {
            "name": call["name"],
            **{name: outcome_of(clients[name], call["operation"], body) for name, body in call["bodies"].items()},
        }
        for call in given["calls"]
    ]
    json.dump(results, sys.stdout)


main()
