"""A client of python-socketio that lives through one scenario.

    python3 client.py URL TRANSPORT...

It prints a line of JSON for each thing that it gets; bytes are {"bytes": "<hex>"}.
"""

import json
import queue
import sys
import threading

import socketio

PATIENCE = 20


def plain(value):
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": bytes(value).hex()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value


def say(what, *values):
    print(json.dumps([what, *plain(values)], ensure_ascii=False, sort_keys=True), flush=True)


def main(url, transports):
    client = socketio.Client(reconnection=False)
    news, gone = queue.Queue(), threading.Event()

    @client.on("ask")
    def ask(*args):
        return ["answer", b"\x05", list(args)]

    @client.on("news")
    def on_news(*args):
        news.put(args)

    @client.on("connect_error", namespace="/locked")
    def refused(error):
        say("refused", error)

    @client.on("disconnect")
    def on_disconnect(*_):
        gone.set()

    client.connect(url, transports=transports or None, auth={"token": "good"}, namespaces=["/", "/chat"],
                   headers={"X-From": "python"}, wait_timeout=PATIENCE)
    say("transport", client.transport())
    call = lambda event, data=None, namespace=None: client.call(event, data, namespace=namespace, timeout=PATIENCE)
    say("echo", call("echo", (1.5, {"a": [None, True, "\u00fc\u2028"]})))
    say("binary", call("echo", (b"\x01\x02\x00", {"file": b"\xff", "none": b""})))
    say("large", len(call("echo", (b"\x07" * 100_000, "x" * 100_000))[1]))
    say("asked", call("ask me", "how"))
    say("chat", call("where", namespace="/chat"))
    say("auth", call("auth"))
    say("joined", call("join", "room"))
    say("news", *news.get(timeout=PATIENCE))
    client.emit("farewell")
    if not gone.wait(PATIENCE):
        say("not put out")
    say("over", sorted(client.namespaces))
    client.disconnect()


main(sys.argv[1], sys.argv[2:])
