# A server and its client in one run: by name, by address, by a socket in the file system.
python3 web.py
