// SPDX-License-Identifier: MIT

/** Output that nobody reads is kept up to this many bytes; then the oldest lines are dropped. It is half of the window, so that
 * what was dropped is always enough for a grant. */
const KEPT = 1 << 19;

/** The lines of a run, for `for await`. While somebody reads them, `grant` is called with what was read. */
export class Lines {
  #held: { line: string; size: number }[] = [];
  #size = 0;
  #reading = false;
  #ended = false;
  #wake: (() => void) | undefined;
  #grant: (size: number) => void;

  constructor(grant: (size: number) => void) {
    this.#grant = grant;
  }

  push(line: string, size: number): void {
    this.#held.push({ line, size });
    this.#size += size;
    while (!this.#reading && this.#size > KEPT) this.#drop();
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  #drop(): string {
    const first = this.#held.shift();
    if (!first) return '';
    this.#size -= first.size;
    if (first.size > 0) this.#grant(first.size);
    return first.line;
  }

  async *read(): AsyncGenerator<string, void, undefined> {
    this.#reading = true;
    try {
      for (;;) {
        if (this.#held.length > 0) yield this.#drop();
        else if (this.#ended) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#reading = false;
      while (this.#size > KEPT) this.#drop();
    }
  }
}
