"""A stand-in for a model server: it takes its time, answers in OpenAI's chat shape, and counts what reached it."""

import argparse
import asyncio
import socket
import time
import uuid

import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

app = FastAPI(title="Simulated LLM")
app.state.delay = 0.5
app.state.served = 0


class Message(BaseModel):
    role: str
    content: str


class ChatRequest(BaseModel):
    model: str
    messages: list[Message]
    stream: bool = False


@app.post("/v1/chat/completions")
async def chat(request: ChatRequest) -> dict:
    app.state.served += 1
    if request.stream:
        raise HTTPException(status_code=400, detail="This endpoint does not stream.")
    await asyncio.sleep(app.state.delay)
    question = request.messages[-1].content if request.messages else ""
    answer = f"You said: {question}"
    prompt_tokens = sum(len(message.content.split()) for message in request.messages)
    completion_tokens = len(answer.split())
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request.model,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"},
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


@app.get("/served")
async def served() -> dict:
    """How many chat requests reached this endpoint."""
    return {"chat": app.state.served}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    parser.add_argument("--delay", type=float, default=0.5, help="seconds until an answer")
    options = parser.parse_args()
    app.state.delay = options.delay
    with socket.create_server(("127.0.0.1", options.port), backlog=128) as listener:
        print(f"endpoint on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
