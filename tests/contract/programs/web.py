# SPDX-License-Identifier: MIT
import http.client
import http.server
import socket
import socketserver
import threading
import urllib.request


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.upper())

    def address_string(self):
        return "a socket"

    def log_message(self, *_):
        pass


class Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def serve(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


port = serve(http.server.ThreadingHTTPServer(("", 0), Answer)).server_address[1]
for host in ("127.0.0.1", "localhost"):
    for _ in range(20):
        answer = urllib.request.urlopen(f"http://{host}:{port}/", data=b"x" * 20000)
        assert answer.read() == b"X" * 20000
serve(Unix("socket", Answer))
connection = http.client.HTTPConnection("localhost")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect("socket")
connection.request("POST", "/", b"hello web")
assert connection.getresponse().read() == b"HELLO WEB"
print("hello web")
