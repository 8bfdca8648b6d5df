"""Wrong answers to the exercises of notebook 05: what learners really write at first."""

_HEAD = """
import chainlit as cl
import labkit

lab = labkit.connect()


@cl.on_message
async def answer(message: cl.Message):
"""
_WHOLE = """    whole = await lab.async_client.chat.completions.create(
        model=lab.model, messages=[{"role": "user", "content": message.content}], max_tokens=200
    )
    await cl.Message(content=whole.choices[0].message.content).send()
"""
_STREAM = """    reply = cl.Message(content="")
    stream = await lab.async_client.chat.completions.create(
        model=lab.model, messages=MESSAGES, max_tokens=200, stream=True
    )
    async for chunk in stream:
        if chunk.choices:
            await reply.stream_token(chunk.choices[0].delta.content or "")
    await reply.send()
"""
_ONE = '[{"role": "user", "content": message.content}]'


def _streaming(messages: str = _ONE) -> str:
    return _HEAD + _STREAM.replace("MESSAGES", messages)


q1 = [
    # waits for the whole answer
    f"stream_app = {_HEAD + _WHOLE!r}",
    # takes the text of chunks that have none: Chainlit hides the exception, and the rest never comes
    f"stream_app = {_streaming().replace('if chunk.choices:', 'if True:').replace(' or ', ' + ')!r}",
    # does not start: a syntax error
    "stream_app = 'import chainlit as'",
    # defines a function and not a text
    "def stream_app(message): return message",
]

q2 = [
    # tells the model the new question only
    f"history_app = {_streaming()!r}",
    # forgets the system prompt
    f"history_app = {_streaming('cl.chat_context.to_openai()')!r}",
]

q3 = [
    # keeps nothing: the message is never sent after Stop
    f"stop_app = {_streaming()!r}",
    # asks for the whole answer, which nobody can stop in the middle
    f"stop_app = {_HEAD + _WHOLE!r}",
]

q4 = [
    # says nothing: Chainlit hides exceptions
    f"error_app = {_streaming()!r}",
    # does not notice a stream that ends too early
    "error_app = "
    + repr(
        _HEAD
        + "    try:\n"
        + "".join(f"    {line}\n" for line in _STREAM.replace("MESSAGES", _ONE).splitlines())
        + "    except Exception:\n        await cl.ErrorMessage(content='Sorry, please ask again.').send()\n"
    ),
]

q5 = [
    # routes, and says nothing of it
    "routing_app = "
    + repr(
        "import chainlit as cl\nfrom labkit.routing import Router, available\n\nrouter = Router(available())\n\n\n"
        "@cl.on_message\nasync def answer(message: cl.Message):\n"
        "    reply = await router.acomplete(message.content, max_tokens=120)\n"
        "    await cl.Message(content=reply.text).send()\n"
    ),
]
