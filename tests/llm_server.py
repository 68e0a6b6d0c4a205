"""An endpoint that behaves as the first part of its path says: run as a process, prints its port.

GET /count : requests so far by behaviour, and how many slow ones were served at once at most.
"""

import gzip
import json
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GOOD = '{"move": 3, "spread": 2, "volume": 40}'
SAYS = {  # behaviour: what the model says, first and later
    "good": [GOOD],
    "prose": ["I think that the price will rise."],
    "repairs": ["Sure! Here it is: {}", GOOD],
    "negative": ['{"move": 3, "spread": -2, "volume": 40}'],
    "huge": ['{"move": 3, "spread": 2, "volume": 1' + "0" * 30 + "}"],
    "digits": ['{"move": ٣, "spread": ٢, "volume": ٤٠}'],
    "long": ["1" * 5_000],
    "slow": [GOOD],
    "noschema": [GOOD],
    "nousage": [GOOD],
}
STATUS = {"500": 500, "429": 429, "401": 401, "302": 302}
count, lock, at_once = Counter(), threading.Lock(), [0, 0]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send(200, {"count": dict(count), "at once": at_once[1]})

    def do_POST(self):
        how = self.path.split("/")[1]
        with lock:
            count[how] += 1
            number = count[how]
            at_once[0] += how == "slow"
            at_once[1] = max(at_once)
        try:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer(how, number, asked)
        except OSError:  # the client has gone
            self.close_connection = True
        finally:
            with lock:
                at_once[0] -= how == "slow"

    def answer(self, how, number, asked):
        if how == "hang":
            time.sleep(60)
        if how == "slow":
            time.sleep(0.2)
        if how == "dripheader":
            self.drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 10_000)
        if how == "drip":
            self.start(200, 10_000)
            self.drip(b" " * 10_000)
        if how == "endless":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            while True:
                self.wfile.write(bytes(range(256)) * 64)
        if how == "noise":
            self.wfile.write(bytes(range(256)) * 64)
            self.close_connection = True
            return
        if how == "cut":
            self.start(200, 1_000)
            self.wfile.write(b'{"choices": [')
            self.close_connection = True
            return
        if how == "html":
            return self.send(200, "<html>Sign in</html>")
        if how == "odd":
            return self.send(200, [{"choices": "none"}])
        if how == "packed":
            packed = gzip.compress(b" " * 10_000_000)
            self.start(200, len(packed), **{"Content-Encoding": "gzip"})
            self.wfile.write(packed)
            return
        if how == "silent":
            return self.say(None)
        if how == "noschema" and "response_format" in asked:
            return self.send(400, {"error": "response_format is not known"})
        if how == "objects" and asked.get("response_format", {}).get("type") != "json_object":
            return self.send(500, {"error": "Input should be 'text' or 'json_object'"})
        if how == "busy" and number < 3:
            return self.send(429, {"error": "later"}, **{"Retry-After": "0"})
        if how == "later":
            return self.send(429, {"error": "later"}, **{"Retry-After": "3600"})
        if how in STATUS:
            return self.send(STATUS[how], {"error": f"no: {self.headers['Authorization']}"}, Location="/good/v1")
        says = SAYS.get(how, [GOOD])
        return self.say(says[min(number, len(says)) - 1], usage=how != "nousage")

    def say(self, text, usage=True):
        content = {"choices": [{"message": {"role": "assistant", "content": text}}]}
        self.send(200, content | ({"usage": {"prompt_tokens": 50, "completion_tokens": 20}} if usage else {}))

    def start(self, status, length, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def send(self, status, content, **headers):
        body = json.dumps(content, ensure_ascii=False).encode()
        self.start(status, len(body), **headers)
        self.wfile.write(body)

    def drip(self, content):
        for byte in content:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(0.02)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()  # ends with its parent
    server.serve_forever()
