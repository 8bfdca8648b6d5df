"""Wrong answers to the exercises of notebook 02: what learners really write at first."""

q1 = [
    # forgets [DONE]
    """
def text_of(lines):
    import json
    chunks = [json.loads(line[6:]) for line in lines if line]
    return "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks)
""",
    # stumbles over the usage chunk, which has no choices
    """
def text_of(lines):
    import json
    text = ""
    for line in lines:
        if line.startswith("data: {"):
            text += json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
    return text
""",
    # stumbles over comments
    """
def text_of(lines):
    import json
    text = ""
    for line in lines:
        if line and line != "data: [DONE]":
            for choice in json.loads(line[6:])["choices"]:
                text += choice["delta"].get("content") or ""
    return text
""",
    # waits for a [DONE] that never comes
    """
def text_of(lines):
    import json
    text, position = "", 0
    while lines[position] != "data: [DONE]":
        if lines[position].startswith("data: "):
            for choice in json.loads(lines[position][6:])["choices"]:
                text += choice["delta"].get("content") or ""
        position += 1
    return text
""",
    # gives the pieces and not the text
    """
def text_of(lines):
    import json
    chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    return [choice["delta"].get("content") for chunk in chunks for choice in chunk["choices"]]
""",
    "def text_of(lines): return lines",
]

_STOPWATCH = """
import time

def first_token_time(lab, question):
    started = time.perf_counter()
    {body}
"""

q2 = [
    # measures the whole answer
    _STOPWATCH.format(body="list(stream(lab, question)); return time.perf_counter() - started"),
    # measures nothing: the request has not left yet
    _STOPWATCH.format(body="stream(lab, question); return time.perf_counter() - started"),
    # milliseconds
    _STOPWATCH.format(body="next(iter(stream(lab, question))); return 1000 * (time.perf_counter() - started)"),
    # forgets to return
    _STOPWATCH.format(body="next(iter(stream(lab, question)))"),
    # asks nobody
    "def first_token_time(lab, question): return 0.3",
    # reads the figures before there are any
    "def first_token_time(lab, question): return stream(lab, question).stats.time_to_first_token",
]

q3 = [
    # reads on, and cuts afterwards
    """
def first_sentence(lab, question):
    text = "".join(stream(lab, question))
    return text[:text.index(". ") + 1]
""",
    # takes the point of a number for the end
    """
def first_sentence(lab, question):
    text = ""
    for piece in stream(lab, question):
        text += piece
        if "." in piece or "?" in piece:
            return text
""",
    # knows only one kind of sentence
    """
def first_sentence(lab, question):
    text = ""
    for piece in stream(lab, question):
        text += piece
        if piece.endswith("."):
            return text
""",
    # shows no more, but goes on reading
    """
def first_sentence(lab, question):
    text, complete = "", False
    for piece in stream(lab, question):
        text += "" if complete else piece
        complete = complete or piece.endswith((".", "!", "?"))
    return text
""",
    # gives the last piece alone
    """
def first_sentence(lab, question):
    for piece in stream(lab, question):
        if piece.endswith((".", "!", "?")):
            return piece
""",
    "def first_sentence(lab, question): return 'A model writes one token after another.'",
]

q4 = [
    # lets the error through
    """
def read_carefully(lab, question):
    return "".join(stream(lab, question)), "complete"
""",
    # every bad ending is the same
    """
def read_carefully(lab, question):
    answer = stream(lab, question)
    try:
        list(answer)
    except StreamInterrupted as error:
        return error.text, "broken"
    return answer.text, "complete"
""",
    # throws away what has come
    """
def read_carefully(lab, question):
    try:
        return "".join(stream(lab, question)), "complete"
    except StreamInterrupted as error:
        return "", error.reason
""",
    # the wrong way round
    """
def read_carefully(lab, question):
    answer = stream(lab, question)
    try:
        list(answer)
    except StreamInterrupted as error:
        return error.reason, error.text
    return "complete", answer.text
""",
    # the finish reason is not the ending
    """
def read_carefully(lab, question):
    answer = stream(lab, question)
    try:
        list(answer)
    except StreamInterrupted as error:
        return error.text, error.reason
    return answer.text, answer.finish_reason
""",
    # the plain client does not notice a truncated stream
    """
def read_carefully(lab, question):
    from openai import APIError
    messages, text = [{"role": "user", "content": question}], ""
    try:
        for chunk in lab.client.chat.completions.create(model=lab.model, messages=messages, stream=True):
            text += chunk.choices[0].delta.content or ""
    except APIError:
        return text, "cut"
    return text, "complete"
""",
    "def read_carefully(lab, question): return 'A model', 'complete'",
]

_RETRY = """
import time
from labkit.errors import LabkitError

def ask_again(lab, question):
    for attempt in range({attempts}):
        answer = stream(lab, question, stall_timeout=2)
        try:
            list(answer)
            return answer.text
        except {error}:
            {then}
"""

q5 = [
    # never asks again
    "def ask_again(lab, question): return ''.join(stream(lab, question))",
    # gives half an answer
    """
def ask_again(lab, question):
    answer = stream(lab, question)
    try:
        list(answer)
    except StreamInterrupted as error:
        return error.text
    return answer.text
""",
    # does not wait
    _RETRY.format(attempts=3, error="StreamInterrupted", then="if attempt == 2: raise"),
    # does not say that it gave up
    _RETRY.format(attempts=3, error="StreamInterrupted", then="time.sleep(0.2)"),
    # is too patient
    _RETRY.format(attempts=5, error="StreamInterrupted", then="time.sleep(0.2)"),
    # repeats what cannot get better
    _RETRY.format(attempts=3, error="LabkitError", then="time.sleep(0.2)\n            if attempt == 2: raise"),
    "def ask_again(lab, question): return 'A model'",
]

q6 = [
    # one after the other
    """
async def ask_all(lab, questions):
    texts = []
    for question in questions:
        answer = astream(lab, question)
        try:
            async for piece in answer:
                pass
        except StreamInterrupted:
            pass
        texts.append(answer.text)
    return texts
""",
    # one broken stream takes all others with it
    """
import asyncio

async def ask_all(lab, questions):
    async def one(question):
        return "".join([piece async for piece in astream(lab, question)])
    return await asyncio.gather(*map(one, questions))
""",
    # a blocking stream inside a coroutine
    """
async def ask_all(lab, questions):
    return ["".join(stream(lab, question)) for question in questions]
""",
    # exceptions among the texts
    """
import asyncio

async def ask_all(lab, questions):
    async def one(question):
        return "".join([piece async for piece in astream(lab, question)])
    return await asyncio.gather(*map(one, questions), return_exceptions=True)
""",
    # gives pieces and not texts
    """
import asyncio

async def ask_all(lab, questions):
    async def one(question):
        pieces = []
        try:
            async for piece in astream(lab, question):
                pieces.append(piece)
        except StreamInterrupted:
            pass
        return pieces
    return await asyncio.gather(*map(one, questions))
""",
    # is no coroutine at all
    "def ask_all(lab, questions): return list(questions)",
]
