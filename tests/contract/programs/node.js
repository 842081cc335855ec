// SPDX-License-Identifier: MIT
const { execFileSync } = require("child_process");
const crypto = require("crypto");
const fs = require("fs");
const http = require("http");
const { Worker, isMainThread, parentPort } = require("worker_threads");

async function main() {
  const answers = [1, 2].map(() => new Promise((resolve) => new Worker(__filename).on("message", resolve)));
  if ((await Promise.all(answers)).join() !== "42,42") throw new Error("workers");
  const server = http.createServer((request, response) => request.pipe(response)).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.on("listening", resolve));
  const body = await new Promise((resolve, reject) => {
    const request = http.request({ port: server.address().port, host: "localhost", family: 4, method: "POST" }, (response) => {
      let text = "";
      response.on("data", (data) => (text += data)).on("end", () => resolve(text));
    });
    request.on("error", reject).end("hello node");
  });
  server.close();
  await new Promise((resolve) => crypto.pbkdf2("a", "b", 1000, 32, "sha256", resolve));
  await fs.promises.writeFile("node.txt", body);
  process.stdout.write(execFileSync("cat", ["node.txt"]) + "\n");
}

if (isMainThread) main().catch((error) => { console.error(error); process.exit(1); });
else parentPort.postMessage(42);
