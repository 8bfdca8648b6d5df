"""Wrong answers to the exercises of notebook 03: what learners really write at first."""

q1 = [
    # the first version, without a fallback
    """
def hybrid(local, cloud, prompt, threshold=100):
    if len(prompt.split()) < threshold:
        return complete(local.lab, prompt).text
    return complete(cloud.lab, prompt).text
""",
    # takes the threshold itself for short
    """
def hybrid(local, cloud, prompt, threshold=100):
    first, second = (local, cloud) if len(prompt.split()) <= threshold else (cloud, local)
    try:
        return complete(first.lab, prompt).text
    except LabkitError:
        return complete(second.lab, prompt).text
""",
    # counts characters
    """
def hybrid(local, cloud, prompt, threshold=100):
    first, second = (local, cloud) if len(prompt) < threshold else (cloud, local)
    try:
        return complete(first.lab, prompt).text
    except LabkitError:
        return complete(second.lab, prompt).text
""",
    # forgets the parameter
    """
def hybrid(local, cloud, prompt, threshold=100):
    first, second = (local, cloud) if len(prompt.split()) < 100 else (cloud, local)
    try:
        return complete(first.lab, prompt).text
    except LabkitError:
        return complete(second.lab, prompt).text
""",
    # asks both, to be on the safe side
    """
def hybrid(local, cloud, prompt, threshold=100):
    texts = []
    for backend in (local, cloud):
        try:
            texts.append(complete(backend.lab, prompt).text)
        except LabkitError:
            texts.append(None)
    order = texts if len(prompt.split()) < threshold else texts[::-1]
    return order[0] or order[1]
""",
    # falls back in one direction only
    """
def hybrid(local, cloud, prompt, threshold=100):
    if len(prompt.split()) >= threshold:
        return complete(cloud.lab, prompt).text
    try:
        return complete(local.lab, prompt).text
    except LabkitError:
        return complete(cloud.lab, prompt).text
""",
    # hides the last error
    """
def hybrid(local, cloud, prompt, threshold=100):
    order = (local, cloud) if len(prompt.split()) < threshold else (cloud, local)
    for backend in order:
        try:
            return complete(backend.lab, prompt).text
        except LabkitError:
            pass
    return "Sorry, something went wrong."
""",
    "def hybrid(local, cloud, prompt, threshold=100): return local",
]

q2 = [
    # the threshold comes first, and always has a wish
    """
def office_policy():
    tasks = routing.TaskTable({"translation": "local", "summary": "cloud"}, otherwise="local")
    return routing.Policy([routing.LengthThreshold(100), tasks])
""",
    # forgets the other tasks
    """
def office_policy():
    tasks = routing.TaskTable({"translation": "local", "summary": "cloud"})
    return routing.Policy([tasks, routing.LengthThreshold(100)])
""",
    # forgets requests without a task
    """
def office_policy():
    return routing.Policy([routing.TaskTable({"translation": "local", "summary": "cloud"}, otherwise="local")])
""",
    # the table of the course in place of the office's
    "def office_policy(): return routing.Policy()",
    # the rules, and no policy
    "def office_policy(): return [routing.TaskTable({'translation': 'local', 'summary': 'cloud'}, otherwise='local')]",
]

q3 = [
    # forgets the budget
    "def best_threshold(curve, budget): return max(curve, key=lambda t: curve[t].quality)",
    # takes the cheapest
    "def best_threshold(curve, budget): return min(curve, key=lambda t: curve[t].cost)",
    # takes the first of equals, which may cost more
    """
def best_threshold(curve, budget):
    fits = [t for t in curve if curve[t].cost <= budget]
    return max(fits, key=lambda t: curve[t].quality, default=None)
""",
    # leaves out what costs exactly the budget
    """
def best_threshold(curve, budget):
    fits = [t for t in curve if curve[t].cost < budget]
    return max(fits, key=lambda t: (curve[t].quality, -curve[t].cost), default=None)
""",
    # breaks when nothing fits
    """
def best_threshold(curve, budget):
    fits = [t for t in curve if curve[t].cost <= budget]
    return max(fits, key=lambda t: (curve[t].quality, -curve[t].cost))
""",
    # gives the point and not its threshold
    """
def best_threshold(curve, budget):
    fits = [p for p in curve.values() if p.cost <= budget]
    return max(fits, key=lambda p: (p.quality, -p.cost), default=None)
""",
]

q4 = [
    # asks the cloud each time
    """
def cascade(local, cloud, question):
    text = complete(local.lab, question).text
    better = complete(cloud.lab, question).text
    return better if "MODEL=phi-4-mini" in text else text
""",
    # gives the refusal to the user
    """
def cascade(local, cloud, question):
    try:
        return complete(local.lab, question).text
    except LabkitError:
        return complete(cloud.lab, question).text
""",
    # does not bear a local model that is down
    """
def cascade(local, cloud, question):
    text = complete(local.lab, question).text
    return complete(cloud.lab, question).text if "MODEL=phi-4-mini" in text else text
""",
    # asks the local model twice
    """
def cascade(local, cloud, question):
    if "MODEL=phi-4-mini" in complete(local.lab, question).text:
        return complete(cloud.lab, question).text
    return complete(local.lab, question).text
""",
    "def cascade(local, cloud, question): return complete(cloud.lab, question).text",
]

_DETECTOR = """
import re

class Numbers:
    def find(self, text):
        {body}

def careful_policy():
    return routing.Policy([routing.Privacy(detector=Numbers()), routing.Always("{target}")])
"""

q5 = [
    # the built-in detector does not know customer numbers
    'def careful_policy(): return routing.Policy([routing.Privacy(), routing.Always("cloud")])',
    # forgets what was personal before
    _DETECTOR.format(
        body=r'return [routing.Finding("a number", *m.span()) for m in re.finditer(r"\bKD-\d{6}\b", text)]',
        target="cloud",
    ),
    # keeps everything here
    _DETECTOR.format(body='return [routing.Finding("anything", 0, len(text))]', target="cloud"),
    'def careful_policy(): return routing.Policy([routing.Always("local")])',
    # finds parts of other numbers, too
    _DETECTOR.format(
        body=r"return routing.PatternDetector().find(text) + "
        r'[routing.Finding("a number", *m.span()) for m in re.finditer(r"KD-\d{1,6}", text)]',
        target="cloud",
    ),
    # a wish is no rule: it does not hold when the local model is down
    """
import re

class Numbers(routing.Preference):
    name = "numbers"
    targets = {}

    def wish(self, request):
        return routing.Wish("local", "a customer number") if re.search(r"KD-\\d{6}", request.text) else None

def careful_policy():
    return routing.Policy([Numbers(), routing.Always("cloud")])
""",
    # the detector gives no findings
    _DETECTOR.format(body="return None", target="cloud"),
]

_TELL = """
def tell(router, question, show):
    answer = router.stream(question)
    {body}
"""

q6 = [
    # asks again after a part was shown
    _TELL.format(
        body="""
    for _ in range(2):
        try:
            for piece in answer:
                show(piece)
            return answer.text, "complete"
        except StreamInterrupted:
            answer = router.stream(question)
    return answer.text, "incomplete"
"""
    ),
    # calls a part complete
    _TELL.format(
        body="""
    try:
        for piece in answer:
            show(piece)
    except (StreamInterrupted, NoBackend) as error:
        pass
    return answer.text, "complete"
"""
    ),
    # does not bear that nobody answers
    _TELL.format(
        body="""
    try:
        for piece in answer:
            show(piece)
    except StreamInterrupted as error:
        return error.text, "incomplete"
    return answer.text, "complete"
"""
    ),
    # shows nothing
    """
def tell(router, question, show):
    try:
        return router.complete(question).text, "complete"
    except NoBackend:
        return "", "nobody"
""",
    # shows the text as a whole at the end, and again piece by piece
    _TELL.format(
        body="""
    try:
        for piece in answer:
            show(piece)
    except StreamInterrupted as error:
        show(error.text)
        return error.text, "incomplete"
    except NoBackend:
        return "", "nobody"
    return answer.text, "complete"
"""
    ),
]
