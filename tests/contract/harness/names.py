# SPDX-License-Identifier: MIT
"""A name server for UDP and TCP. It answers every question for an IPv4 address with the same address.

        python3 names.py SERVER PORT ANSWER      runs until it is killed; prints `up` once it listens
"""
import contextlib
import socket
import struct
import subprocess
import sys
import threading

NAME = "server.lr-test.example"
QUESTION_AT, A, IN = 12, 1, 1


def reply(query, answer):
    """Answers the first question of a query: the address for type A, no record for other types."""
    end = QUESTION_AT
    while query[end]:
        end += query[end] + 1
    end += 5
    kind = struct.unpack(">H", query[end - 4:end - 2])[0]
    found = kind == A
    header = query[:2] + struct.pack(">HHHHH", 0x8580, 1, int(found), 0, 0)
    record = b"\xc0\x0c" + struct.pack(">HHIH", A, IN, 60, 4) + socket.inet_aton(answer) if found else b""
    return header + query[QUESTION_AT:end] + record


def exactly(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise OSError("closed")
        data += more
    return data


def serve_udp(server, answer):
    while True:
        query, peer = server.recvfrom(65536)
        with contextlib.suppress(IndexError, struct.error, OSError):
            server.sendto(reply(query, answer), peer)


def serve_tcp(server, answer):
    while True:
        connection = server.accept()[0]
        with connection, contextlib.suppress(IndexError, struct.error, OSError):
            connection.settimeout(10)
            query = exactly(connection, struct.unpack(">H", exactly(connection, 2))[0])
            text = reply(query, answer)
            connection.sendall(struct.pack(">H", len(text)) + text)


@contextlib.contextmanager
def running(address, answer, *before):
    """Runs a name server at that address, port 53. before: the words of a command that starts it."""
    process = subprocess.Popen([*before, sys.executable, __file__, address, "53", answer], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"up\n", f"no name server at {address}"
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def ask_by_tcp(server):
    """A shell command for a sandbox that prints the answer's bytes in hex. server: an address, or shell text that prints one."""
    labels = "".join(f"\\{len(label):03o}{label}" for label in NAME.split("."))
    length = len(NAME) + 2 + QUESTION_AT + 4
    header = "".join(f"\\{byte:03o}" for byte in struct.pack(">HHHHHHH", length, 0x1234, 0x0100, 1, 0, 0, 0))
    question = f"{header}{labels}\\000\\000\\001\\000\\001"
    # nc opens the pipe for writing as well. So it never sees the pipe's end, and stays until the server closes the connection.
    return f"mkfifo question; printf '{question}' >question & timeout 10 nc -w 5 {server} 53 <>question | hexdump -v -e '1/1 \"%02x\"'"


def is_answer(text, answer):
    return "1234" in text and socket.inet_aton(answer).hex() in text


if __name__ == "__main__":
    _, own, number, what = sys.argv
    sockets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    for each in sockets:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        each.bind((own, int(number)))
    sockets[1].listen()
    threading.Thread(target=serve_udp, args=(sockets[0], what), daemon=True).start()
    print("up", flush=True)
    serve_tcp(sockets[1], what)
