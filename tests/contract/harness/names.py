# SPDX-License-Identifier: MIT
"""A name server, over UDP and TCP. It answers every question for an address with one address.

    python3 names.py SERVER PORT ANSWER      until it is killed; says `up` once it listens
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
    """For the first question of a query: the address for A, nothing for other types."""
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
    """One at that address, port 53; `before`: words of a command that starts it."""
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
    """Words of a shell in a sandbox that print the answer's bytes in hex. server: an address, or words that print it."""
    labels = "".join(f"\\{len(label):03o}{label}" for label in NAME.split("."))
    length = len(NAME) + 2 + QUESTION_AT + 4
    header = "".join(f"\\{byte:03o}" for byte in struct.pack(">HHHHHHH", length, 0x1234, 0x0100, 1, 0, 0, 0))
    question = f"{header}{labels}\\000\\000\\001\\000\\001"
    # nc has the pipe open for writing too: it sees no end there, and stays until the server closes.
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
