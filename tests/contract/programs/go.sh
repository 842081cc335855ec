# Goroutines on threads, a server and its client, a child, a signal.
./go
