"""Reads {"n": 30} on stdin, tells how it goes line by line, and leaves result.json behind."""

import json
import sys


def main() -> None:
    request = json.load(sys.stdin)
    n = int(request["n"])
    numbers = [0, 1]
    for i in range(2, n + 1):
        numbers.append(numbers[-1] + numbers[-2])
        if i % 10 == 0:
            # Flushed, so that the line arrives while the program is still running.
            print(f"fib({i}) = {numbers[i]}", flush=True)
    with open("result.json", "w", encoding="utf-8") as file:
        json.dump({"n": n, "fib": numbers[n]}, file)
        file.write("\n")
    print("done", flush=True)


if __name__ == "__main__":
    main()
