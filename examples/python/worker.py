"""A worker in Python's standard library alone (3.9 or newer). It counts words:

    AGENT_COMMUNICATION_URL=http://127.0.0.1:7071/api python3 examples/python/worker.py counter-1

Copy it and write HANDLERS of your own. What each call means, and why: docs/worker-protocol.md.
"""
import http.client, json, os, random, signal, sys, threading, time, uuid
from urllib import error as errors, request

URL = os.environ.get("AGENT_COMMUNICATION_URL", "http://127.0.0.1:7071/api").rstrip("/")
TOKEN = os.environ.get("AGENT_COMMUNICATION_TOKEN")
AGENT = sys.argv[1] if len(sys.argv) > 1 else "python-worker"
stopping, running = threading.Event(), {}  # running: the Attempt of each (task id, attempt)
claim = None  # of the receive that is not answered yet


class Problem(Exception):
    def __init__(self, status, code, detail, retry_after=0):
        super().__init__(f"{code}: {detail}")
        self.status, self.code, self.retry_after = status, code, retry_after


class NoRedirect(request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None  # a POST that is followed as a GET would look like success


def call(method, path, body=None, budget=30.0, timeout=30.0):
    """Repeats what may be repeated until the budget is over: within 0.1 s, then within twice as long, at most 5 s."""
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {TOKEN}"} if TOKEN else {})}
    data = None if body is None else json.dumps(body, allow_nan=False).encode()
    opener, began, bound = request.build_opener(NoRedirect), time.monotonic(), 0.1
    while True:
        try:
            with opener.open(request.Request(URL + path, data, headers, method=method), timeout=timeout) as answer:
                return json.load(answer)
        except errors.HTTPError as error:
            said = json.load(error) if "json" in error.headers.get("content-type", "") else {}
            wait = int(error.headers.get("retry-after", 0))
            problem = Problem(error.code, said.get("code"), said.get("detail"), wait)
        except (OSError, ValueError, http.client.HTTPException) as error:  # no connection, or no answer in time
            problem = Problem(0, "UNREACHABLE", error)
        if problem.status not in (0, 429, 502, 503, 504) or time.monotonic() - began > budget:
            raise problem
        time.sleep(problem.retry_after + random.uniform(0, bound))
        bound = min(bound * 2, 5.0)


class Attempt:  # all that is said of one names it: a late word of an earlier attempt is LEASE_LOST
    def __init__(self, task):
        self.task, self.cancelled = task, threading.Event()

    def say(self, verb, **more):
        body = {"agentId": AGENT, "attempt": self.task["attempt"], **more}
        if call("POST", f"/tasks/{self.task['taskId']}/{verb}", body, budget=300)["cancelRequested"]:
            self.cancelled.set()

    def run(self):
        try:
            self.say("start")
            try:
                self.say("complete", result=HANDLERS[self.task["taskType"]](self))
            except Exception as error:
                if isinstance(error, Problem) and error.status not in (400, 413, 422):
                    raise
                text = f"{type(error).__name__}: {error}"[:1000]
                self.say("fail", error=text, retryable=not isinstance(error, Problem))  # refused once, refused again
        except Problem as problem:  # LEASE_LOST: it is another worker's now
            print(f"{self.task['taskId']}: {problem}", flush=True)
        finally:
            del running[self.task["taskId"], self.task["attempt"]]


def count_words(attempt):
    words = attempt.task["parameters"]["text"].split()
    for number, _ in enumerate(words):
        if number % 1000 == 0:
            attempt.say("progress", percent=100 * number // len(words))
        if attempt.cancelled.is_set():
            raise InterruptedError("cancelled")  # failing confirms the cancel
    return {"words": len(words)}


HANDLERS = {"count-words": count_words}


def take(task):
    attempt = Attempt(task)
    if running.setdefault((task["taskId"], task["attempt"]), attempt) is attempt:
        threading.Thread(target=attempt.run).start()


def beat(status="active"):
    reply = call("POST", f"/agents/{AGENT}/heartbeat", {"status": status}, budget=10, timeout=10)
    for held in reply["tasks"]:
        if held["cancelRequested"] and (held["taskId"], held["attempt"]) in running:
            running[held["taskId"], held["attempt"]].cancelled.set()
    return reply


def register():
    agent = {"agentId": AGENT, "role": "worker", "capabilities": list(HANDLERS), "maxConcurrentTasks": 4}
    call("POST", "/agents", agent)
    for held in beat()["tasks"]:  # what an earlier process of this name has left
        task = call("GET", f"/tasks/{held['taskId']}")
        if task["status"] == "assigned":
            take(task)
        elif task["status"] == "running" and (task["taskId"], task["attempt"]) not in running:
            Attempt(task).say("fail", error="the worker's process ended during this attempt")


def receive():
    global claim  # the same until it is answered, so that a lost answer loses no lease
    claim = claim or str(uuid.uuid4())
    wanted = {"claimId": claim, "maxMessages": 4, "types": ["task_assignment", "task_cancel"], "waitSeconds": 20}
    messages = call("POST", f"/agents/{AGENT}/messages/receive", wanted, timeout=40)["messages"]
    claim = None
    for message in (message for message in messages if message["sender"] == "system"):  # no agent can be called so
        if message["type"] == "task_assignment":
            take(message["payload"])  # its start completes the message
            continue
        for attempt in [held for held in list(running.values()) if held.task["taskId"] == message["payload"]["taskId"]]:
            attempt.cancelled.set()
        call("POST", f"/messages/{message['messageId']}/complete", {"agentId": AGENT, "attempt": message["attempt"]})


def loop(step):
    todo = step
    while True:
        try:
            time.sleep(todo() or 0)
            todo = step
        except Problem as problem:
            print(problem, flush=True)
            todo = register if problem.code in ("AGENT_NOT_FOUND", "AGENT_DEREGISTERED") else step
            if problem.status in (401, 403):
                stopping.set()  # asking on would change nothing
            time.sleep(1 + problem.retry_after)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    register()
    print(f"ready {AGENT}", flush=True)
    for step in (receive, lambda: beat()["heartbeatIntervalSeconds"]):
        threading.Thread(target=loop, args=(step,), daemon=True).start()
    stopping.wait()
    while beat("draining")["tasks"]:  # what is begun is finished, nothing new comes
        time.sleep(0.2)
