# Threads, channels, sockets, a child.
./rust
