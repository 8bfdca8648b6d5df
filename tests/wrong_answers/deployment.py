"""Wrong answers to the exercises of notebook 08: what learners really write at first."""

q1 = [
    # the port stays a text
    'def read_settings(environ): return environ.get("HOST", "127.0.0.1"), environ.get("PORT", "8080"), False',
    # every text is true
    """
def read_settings(environ):
    port = int(environ.get("PORT") or 8080)
    return environ.get("HOST") or "127.0.0.1", port, bool(environ.get("DEBUG"))
""",
    # stumbles over a variable that is set to nothing
    """
def read_settings(environ):
    return environ.get("HOST", "127.0.0.1"), int(environ.get("PORT", 8080)), environ.get("DEBUG") == "1"
""",
    # an error that does not say which variable
    """
def read_settings(environ):
    port = int(environ.get("PORT") or 8080)
    if not 1 <= port <= 65535:
        raise ValueError("bad port")
    return environ.get("HOST") or "127.0.0.1", port, environ.get("DEBUG", "").lower() in ("1", "true")
""",
    # open to everybody by default
    'def read_settings(environ): return environ.get("HOST", "0.0.0.0"), int(environ.get("PORT") or 8080), False',
]

q2 = [
    "def choose_port(wanted): return wanted",
    # a port, but not the next one
    "def choose_port(wanted): return wanted if ports.is_free(wanted) else ports.free_port()",
    # never gives up
    """
def choose_port(wanted):
    while not ports.is_free(wanted):
        wanted += 1
    return wanted
""",
    # gives up silently
    """
def choose_port(wanted):
    for port in range(wanted, wanted + 10):
        if ports.is_free(port):
            return port
""",
    # an error that does not help
    """
def choose_port(wanted):
    for port in range(wanted, wanted + 10):
        if ports.is_free(port):
            return port
    raise OSError("no port")
""",
]

q3 = [
    # does not wait at all
    "def ask_politely(lab, question): return complete(lab, question).text",
    # knocks again and again
    """
import time
def ask_politely(lab, question):
    while True:
        try:
            return complete(lab, question).text
        except RateLimited:
            time.sleep(0.05)
""",
    # does not take no for an answer
    """
import time
from labkit.errors import LabkitError
def ask_politely(lab, question):
    for attempt in range(4):
        try:
            return complete(lab, question).text
        except LabkitError as error:
            time.sleep(getattr(error, "retry_after", None) or 1)
""",
    # gives the object
    """
import time
def ask_politely(lab, question):
    time.sleep(3)
    return complete(lab, question)
""",
]

q4 = [
    'def decide(address): return "serve"',
    # restarts what a restart does not mend
    """
def decide(address):
    import httpx2
    try:
        ready = httpx2.get(f"{address}/readyz", timeout=2).status_code == 200
    except httpx2.TransportError:
        return "restart"
    return "serve" if ready else "restart"
""",
    # looks at liveness only
    """
def decide(address):
    import httpx2
    try:
        return "serve" if httpx2.get(f"{address}/livez", timeout=2).status_code == 200 else "restart"
    except httpx2.TransportError:
        return "restart"
""",
    # falls over where nobody answers
    """
def decide(address):
    import httpx2
    return "serve" if httpx2.get(f"{address}/readyz", timeout=2).status_code == 200 else "take out"
""",
]

q5 = [
    # forgets that people read
    "def users_for(tokens_per_second, tokens_per_answer, think): return int(tokens_per_second / tokens_per_answer)",
    # upside down
    "def users_for(tokens_per_second, tokens_per_answer, think): return int(tokens_per_answer / think)",
    # half a user
    "def users_for(tokens_per_second, tokens_per_answer, think): return tokens_per_second * think / tokens_per_answer",
]
