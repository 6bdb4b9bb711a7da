"""A receiver of webhooks on loopback: python3 web.py FOLDER [PORT].

Writes its port into FOLDER/port, and each request as one line of JSON into FOLDER/requests. How it answers is in the path:
/hang never, /status/N with N, /busy/SECONDS with 429 and Retry-After, /redirect/PORT to that port of this machine, /endless without an
end, /once/NAME with 500 the first time; everything else with 204.
"""

import http.server
import json
import os
import sys
import threading

folder = sys.argv[1]
seen = set()
lock = threading.Lock()


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        line = json.dumps({"path": self.path, "headers": headers, "body": body})
        with lock:
            with open(os.path.join(folder, "requests"), "a") as requests:
                requests.write(line + "\n")
            is_first = self.path not in seen
            seen.add(self.path)
        self.answer(self.path.strip("/").split("/") + [""], is_first)

    def answer(self, words, is_first):
        what, value = words[0], words[1]
        if what == "hang":
            threading.Event().wait()
        elif what == "status":
            self.head(int(value), {})
        elif what == "busy":
            self.head(429, {"Retry-After": value})
        elif what == "redirect":
            self.head(302, {"Location": f"http://127.0.0.1:{value}/redirected"})
        elif what == "endless":
            self.head(200, {})
            while True:
                self.wfile.write(b"x" * 65536)
        elif what == "once" and is_first:
            self.head(500, {})
        else:
            self.head(204, {})

    def head(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0), Receiver)
with open(os.path.join(folder, "port.new"), "w") as port:
    port.write(str(server.server_address[1]))
os.rename(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
server.serve_forever()
