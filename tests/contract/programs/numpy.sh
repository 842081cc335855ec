# Linear algebra in several processes, each with the threads of its library.
OPENBLAS_NUM_THREADS=2 python3 numeric.py
