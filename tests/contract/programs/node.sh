# An event loop, its thread pool, workers, a server and its client, and a child.
node node.js
