"""Wrong answers to the exercises of notebook 06: what learners really write at first."""

_SOFTMAX = """
import math

def softmax(logits):
    {body}
"""

q2 = [
    # overflows
    _SOFTMAX.format(body="p = [math.exp(l) for l in logits]; return [x / sum(p) for x in p]"),
    # divides by the sum without the powers: logits called confidence
    _SOFTMAX.format(body="return [l / sum(logits) for l in logits]"),
    # forgets to divide
    _SOFTMAX.format(body="return [math.exp(l - max(logits)) for l in logits]"),
    # squeezes each one by itself
    _SOFTMAX.format(body="return [1 / (1 + math.exp(-l)) if l > -500 else 0 for l in logits]"),
    # the winner takes all
    _SOFTMAX.format(body="return [1.0 if l == max(logits) else 0.0 for l in logits]"),
    _SOFTMAX.format(body="p = [math.exp(l - max(logits)) for l in logits]"),
]

_RECOGNISE = """
import numpy as np

def recognise(session, pixels):
    image = np.array(pixels, np.{kind}).reshape({shape})
    {body}
"""

q3 = [
    # logits called probabilities
    _RECOGNISE.format(
        kind="float32",
        shape="1, 1, 28, 28",
        body="l = session.run(['logits'], {'image': image})[0][0]; return int(l.argmax()), float(l.max())",
    ),
    # the wrong type
    _RECOGNISE.format(
        kind="float64",
        shape="1, 1, 28, 28",
        body="p = session.run(['probabilities'], {'image': image})[0][0]; return int(p.argmax()), float(p.max())",
    ),
    # the wrong shape
    _RECOGNISE.format(
        kind="float32",
        shape="28, 28",
        body="p = session.run(['probabilities'], {'image': image})[0][0]; return int(p.argmax()), float(p.max())",
    ),
    # the digit alone
    _RECOGNISE.format(
        kind="float32",
        shape="1, 1, 28, 28",
        body="return int(session.run(['probabilities'], {'image': image})[0][0].argmax())",
    ),
    # the wrong way round
    _RECOGNISE.format(
        kind="float32",
        shape="1, 1, 28, 28",
        body="p = session.run(['probabilities'], {'image': image})[0][0]; return float(p.max()), int(p.argmax())",
    ),
    # light and dark exchanged
    _RECOGNISE.format(
        kind="float32",
        shape="1, 1, 28, 28",
        body="p = session.run(['probabilities'], {'image': 1 - image})[0][0]; return int(p.argmax()), float(p.max())",
    ),
    "def recognise(session, pixels): return 9, 0.98",
]

q1 = [
    # that the interface exists says little
    "def choose_provider(can): return 'webgpu' if can['hasApi'] else 'wasm'",
    # takes an imitation
    "def choose_provider(can): return 'webgpu' if can['adapter'] else 'wasm'",
    # demands what nobody needs
    """
def choose_provider(can):
    return "webgpu" if can["adapter"] and can["hasHalf"] and not can["isSoftware"] else "wasm"
""",
    # never dares
    "def choose_provider(can): return 'wasm'",
    "def choose_provider(can): return bool(can['adapter']) and not can['isSoftware']",
]

_GREEDY = """
def greedy(decoder, prompt, limit):
    answer = []
    logits, past = decoder.step(prompt)
    while len(answer) < limit:
        token = int(logits.argmax())
        {body}
    return answer
"""

q4 = [
    # has no end
    _GREEDY.format(body="answer.append(token); logits, past = decoder.step([token], past)"),
    # keeps the end token
    _GREEDY.format(
        body="answer.append(token); logits, past = decoder.step([token], past)\n        if token in decoder.ends: break"
    ),
    # forgets what was before
    _GREEDY.format(
        body="if token in decoder.ends: break\n        answer.append(token); logits, past = decoder.step([token])"
    ),
    # reads everything again: the right tokens, and the wrong price
    _GREEDY.format(
        body="if token in decoder.ends: break\n        answer.append(token); "
        "logits, past = decoder.step(prompt + answer)"
    ),
    # reads everything again into the cache
    _GREEDY.format(
        body="if token in decoder.ends: break\n        answer.append(token); "
        "logits, past = decoder.step(prompt + answer, past)"
    ),
    # ignores the limit
    """
def greedy(decoder, prompt, limit):
    answer = []
    logits, past = decoder.step(prompt)
    while (token := int(logits.argmax())) not in decoder.ends:
        answer.append(token)
        logits, past = decoder.step([token], past)
    return answer
""",
    # gives the text
    _GREEDY.format(
        body="if token in decoder.ends: break\n        answer.append(token); logits, past = decoder.step([token], past)"
    ).replace("return answer", "return decoder.text(answer)"),
    "def greedy(decoder, prompt, limit): return prompt",
]

q5 = [
    # compares beginnings of texts
    "def elsewhere(urls, page): return [url for url in urls if not url.startswith('http://127.0.0.1:5173')]",
    # looks anywhere in the text
    "def elsewhere(urls, page): return [url for url in urls if '127.0.0.1:5173/' not in url]",
    # forgets the port
    """
def elsewhere(urls, page):
    from urllib.parse import urlsplit
    return [url for url in urls if urlsplit(url).hostname != urlsplit(page).hostname]
""",
    # forgets the scheme
    """
def elsewhere(urls, page):
    from urllib.parse import urlsplit
    return [url for url in urls if urlsplit(url).netloc != urlsplit(page).netloc]
""",
    # counts instead of naming
    """
def elsewhere(urls, page):
    from urllib.parse import urlsplit
    return sum(urlsplit(url)[:2] != urlsplit(page)[:2] for url in urls)
""",
    "def elsewhere(urls, page): return []",
]
