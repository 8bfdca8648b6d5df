"""Wrong answers to the exercises of notebook 04: what learners really write at first."""

_CHECK = """
def one_token(lab, slow=1.0):
    answer = stream(lab, "Hi", {options})
    try:
        for _piece in answer:
            pass
    except LabkitError:
        return "fail"
    {judge}
"""
_JUDGE = 'return "pass" if answer.stats.time_to_first_token <= slow else "warn"'
_OPTIONS = "max_tokens=1, first_token_timeout=4, stall_timeout=1"

q1 = [
    # never warns
    _CHECK.format(options=_OPTIONS, judge='return "pass"'),
    # takes what is slow for broken
    _CHECK.format(options="max_tokens=1, first_token_timeout=slow, stall_timeout=1", judge='return "pass"'),
    # asks for a whole answer
    _CHECK.format(options="first_token_timeout=4, stall_timeout=1", judge=_JUDGE),
    # forgets the parameter
    _CHECK.format(options=_OPTIONS, judge='return "pass" if answer.stats.time_to_first_token < 1 else "warn"'),
    # leaves after the first piece, so that a stall is not seen
    """
def one_token(lab, slow=1.0):
    try:
        answer = stream(lab, "Hi", max_tokens=1, first_token_timeout=4)
        next(iter(answer))
    except LabkitError:
        return "fail"
    return "pass" if answer.stats.time_to_first_token <= slow else "warn"
""",
    # lets errors through
    """
def one_token(lab, slow=1.0):
    answer = stream(lab, "Hi", max_tokens=1, first_token_timeout=4, stall_timeout=1)
    list(answer)
    return "pass" if answer.stats.time_to_first_token <= slow else "warn"
""",
    # tries again and again
    """
def one_token(lab, slow=1.0):
    for _ in range(3):
        answer = stream(lab, "Hi", max_tokens=1, first_token_timeout=4, stall_timeout=1)
        try:
            list(answer)
            return "pass" if answer.stats.time_to_first_token <= slow else "warn"
        except LabkitError:
            pass
    return "fail"
""",
    'def one_token(lab, slow=1.0): return "healthy"',
]

q2 = [
    # fail is fail
    'def next_step(report): return "send" if report.status == "pass" else "use another backend"',
    # restarts whatever fails
    'def next_step(report): return "send" if report.is_ready else "start the service"',
    # forgets that nothing may be known
    """
def next_step(report):
    if report.is_ready:
        return "send"
    return {"socket": "start the service", "loaded": "load the model"}.get(report.decisive.rung, "use another backend")
""",
    # takes a warning for a failure
    """
def next_step(report):
    if report.status == "unknown":
        return "wait"
    steps = {"socket": "start the service", "loaded": "load the model", "completion": "use another backend"}
    return steps.get(report.decisive.rung, "send")
""",
    # liveness for readiness
    'def next_step(report): return "send" if report.liveness == "pass" else "start the service"',
    "def next_step(report): return report.fix",
]

q3 = [
    # calls at every failure
    'def alarms(statuses, after=3): return [i for i, status in enumerate(statuses) if status == "fail"]',
    # counts failures, though not in a row
    """
def alarms(statuses, after=3):
    called, failures = [], 0
    for i, status in enumerate(statuses):
        failures += status == "fail"
        if status == "fail" and failures == after:
            called.append(i)
    return called
""",
    # calls again and again in one outage
    """
def alarms(statuses, after=3):
    called, failures = [], 0
    for i, status in enumerate(statuses):
        failures = failures + 1 if status == "fail" else 0 if status != "unknown" else failures
        if failures >= after and status == "fail":
            called.append(i)
    return called
""",
    # unknown ends an outage
    """
def alarms(statuses, after=3):
    called, failures = [], 0
    for i, status in enumerate(statuses):
        failures = failures + 1 if status == "fail" else 0
        if failures == after:
            called.append(i)
    return called
""",
    # everything that is not pass is a failure
    """
def alarms(statuses, after=3):
    called, failures = [], 0
    for i, status in enumerate(statuses):
        failures = 0 if status == "pass" else failures + 1
        if failures == after:
            called.append(i)
    return called
""",
    # forgets the parameter
    """
def alarms(statuses, after=3):
    called, failures = [], 0
    for i, status in enumerate(statuses):
        if status == "fail":
            failures += 1
            if failures == 3:
                called.append(i)
        elif status != "unknown":
            failures = 0
    return called
""",
]

q4 = [
    # restarts what is not ready
    """
def orchestrate(monitor):
    if monitor.startup != "pass":
        return "be patient"
    return "send" if monitor.latest.is_ready else "restart"
""",
    # no patience
    """
def orchestrate(monitor):
    if monitor.latest.liveness == "fail":
        return "restart"
    return "send" if monitor.latest.is_ready else "send nothing"
""",
    # restarts what nobody has looked at
    """
def orchestrate(monitor):
    if monitor.startup != "pass":
        return "be patient"
    if monitor.latest.liveness != "pass":
        return "restart"
    return "send" if monitor.latest.is_ready else "send nothing"
""",
    # sends nothing to what is slow
    """
def orchestrate(monitor):
    if monitor.startup != "pass":
        return "be patient"
    if monitor.latest.liveness == "fail":
        return "restart"
    return "send" if monitor.latest.readiness == "pass" else "send nothing"
""",
    # trusts old news
    """
def orchestrate(monitor):
    if monitor.startup != "pass":
        return "be patient"
    report = monitor.history[-1]
    if report.liveness == "fail":
        return "restart"
    return "send" if report.is_ready else "send nothing"
""",
]

q5 = [
    # tells it once
    """
def tell_router(router, name, monitor):
    report = monitor.check()
    router.vitals[name].report_health(report.status, report.output, report.expires)
""",
    # forgets that news become old
    """
def tell_router(router, name, monitor):
    monitor.subscribe(lambda report: router.vitals[name].report_health(report.status, report.output))
""",
    # tells bad news only
    """
def tell_router(router, name, monitor):
    def listen(report):
        if not report.is_ready:
            router.vitals[name].report_health(report.status, report.output)
    monitor.subscribe(listen)
""",
    # confuses the moment of the check with its end
    """
def tell_router(router, name, monitor):
    monitor.subscribe(lambda report: router.vitals[name].report_health(report.status, report.output, report.at))
""",
    # prints, and tells nobody
    "def tell_router(router, name, monitor): monitor.subscribe(print)",
    # too few arguments: the listener fails, and the monitor goes on
    "def tell_router(router, name, monitor): monitor.subscribe(lambda: router.vitals[name].report_health('fail'))",
]
