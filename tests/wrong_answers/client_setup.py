"""Wrong answers to the exercises of notebook 01: what learners really write at first."""

q1 = [
    # keeps the None of the last chunk
    """
def stream_pieces(lab, question):
    messages = [{"role": "user", "content": question}]
    stream = lab.client.chat.completions.create(model=lab.model, messages=messages, max_tokens=120, stream=True)
    return [chunk.choices[0].delta.content for chunk in stream]
""",
    # does not stream
    """
def stream_pieces(lab, question):
    messages = [{"role": "user", "content": question}]
    reply = lab.client.chat.completions.create(model=lab.model, messages=messages, max_tokens=120)
    return [reply.choices[0].message.content]
""",
    # joins the pieces
    """
def stream_pieces(lab, question):
    messages = [{"role": "user", "content": question}]
    stream = lab.client.chat.completions.create(model=lab.model, messages=messages, max_tokens=120, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream)
""",
    # forgets to return
    """
def stream_pieces(lab, question):
    messages = [{"role": "user", "content": question}]
    stream = lab.client.chat.completions.create(model=lab.model, messages=messages, max_tokens=120, stream=True)
    for chunk in stream:
        print(chunk.choices[0].delta.content)
""",
    # breaks off with an error
    "def stream_pieces(lab, question): return lab.no_such_thing",
    # forgets an argument
    "def stream_pieces(lab): return []",
    # answers without asking
    "def stream_pieces(lab, question): return ['An', ' alias']",
]

q2 = [
    "def model_id(alias): return alias",
    "def model_id(alias): return 'course-large:1'",
    "def model_id(alias): FoundryLocalManager(alias).get_model_info(alias).id",
    "def model_id(alias): return FoundryLocalManager(alias).get_model_info(alias)",
    "model_id = 'course-large:1'",
]

_ASK = """
def ask(lab, question):
    reply = lab.client.chat.completions.create(model=lab.model, messages=[{messages}], {settings})
    return reply.choices[0].{result}
"""
_SYSTEM, _USER = '{"role": "system", "content": "Be brief."}', '{"role": "user", "content": question}'
_SETTINGS, _RESULT = "temperature=0, max_tokens=120", "message.content"

q3 = [
    _ASK.format(messages=_USER, settings=_SETTINGS, result=_RESULT),
    _ASK.format(messages=f"{_USER}, {_SYSTEM}", settings=_SETTINGS, result=_RESULT),
    _ASK.format(messages=f"{_SYSTEM}, {_USER}", settings="max_tokens=120", result=_RESULT),
    _ASK.format(messages=f"{_SYSTEM}, {_USER}", settings="temperature=0", result=_RESULT),
    _ASK.format(messages=f"{_SYSTEM}, {_USER}", settings="temperature=0, max_tokens=500", result=_RESULT),
    _ASK.format(messages=f"{_SYSTEM}, {_USER}", settings=_SETTINGS, result="message"),
    _ASK.format(messages=f'{_SYSTEM}, {{"role": "user", "content": "Hi"}}', settings=_SETTINGS, result=_RESULT),
    "def ask(lab, question): return 'An alias is a short name.'",
]

q4 = [
    "def diagnose(base_url, model): return 'ok'",
    "def diagnose(base_url, model): return Endpoint.parse(base_url, 'not-required').find_model(model)",
    """
def diagnose(base_url, model):
    try:
        Endpoint.parse(base_url, "not-required").find_model(model)
    except LabkitError:
        return "unreachable"
    return "ok"
""",
]

q5 = [
    "repeatable = 0",
    "repeatable = {}",
    "repeatable = {'max_tokens': 120, 'temperature': 2}",
    "repeatable = {'temperature': 0, 'max_tokens': 3}",
    "repeatable = {'temperature': 7, 'max_tokens': 120}",
    "repeatable = {'temprature': 0, 'max_tokens': 120}",
]
