"""An HTTP server behind a proxy, which answers with the request that it has received.

    python -I -S upstream.py PORT NAME

The answer is the request as JSON, with the NAME of the server. A path that ends with `/stream` is answered in
two parts; the second part follows when a request for `/release` arrives. A path that ends with `/websocket`
changes the protocol, and the server then sends all received bytes back in upper case.
"""

import base64
import hashlib
import http.server
import json
import sys
import threading

#: Source: RFC 6455, section 1.3
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
released = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.endswith("/stream"):
            self.stream()
        elif path.endswith("/websocket"):
            self.websocket()
        else:
            if path.endswith("/release"):
                released.set()
            self.reply()

    do_HEAD = do_POST = do_GET  # noqa: N815 - the names are of the standard library

    def reply(self) -> None:
        body = self.body()
        answer = {
            "name": sys.argv[2],
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "length": len(body),
            "hash": hashlib.sha256(body).hexdigest(),
        }
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        if long := self.headers.get("X-Long"):
            self.send_header("X-Long", long)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def stream(self) -> None:
        released.clear()
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\r\nfirst\r\n")
        if released.wait(300):
            self.wfile.write(b"4\r\nlast\r\n0\r\n\r\n")

    def websocket(self) -> None:
        key = self.headers["Sec-WebSocket-Key"]
        accept = base64.b64encode(hashlib.sha1(f"{key}{GUID}".encode()).digest())
        self.send_response(101)
        for name, value in (
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accept.decode()),
        ):
            self.send_header(name, value)
        self.end_headers()
        while data := self.connection.recv(4096):
            self.connection.sendall(data.upper())
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
