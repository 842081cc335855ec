# A compiler, and what it makes: processes, threads, pipes, memory maps.
gcc -O2 -Wall -Wextra -Werror -pthread -o c c.c -lm
./c
