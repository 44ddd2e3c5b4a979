"""A kernel of Python's own alone: carries out what `wrenn_kernel.py` does, as far as the server sees."""

import json
import os
import signal
import socket
import sys
import time

gate = socket.socket(fileno=3)
running = False


def interrupted(*_):
    if running:
        raise KeyboardInterrupt


def say(kind, name, content, waits=False):
    sys.stdout.flush()
    sys.stderr.flush()
    gate.sendall(json.dumps({kind: name, "content": content, "waits": waits}).encode() + b"\n")


def publish(name, **content):
    say("publish", name, content, waits=True)
    os.read(4, 1)


signal.signal(signal.SIGINT, interrupted)
say("ready", "", {"status": "ok", "implementation": "a test's"})
for line in gate.makefile("rb"):
    asked = json.loads(line)
    reply = {"status": "ok", "asked": asked["type"]}
    running = True
    try:
        say("began", "", {})
        exec(asked["content"].get("code", ""), globals())
    except (Exception, KeyboardInterrupt) as e:
        running = False
        error = {"ename": type(e).__name__, "evalue": str(e), "traceback": []}
        publish("error", **error)
        reply = {"status": "error", **error}
    running = False
    if globals().get("ending"):
        say("ending", "", {})
        say("reply", "", reply)
        break
    say("reply", "", reply)
