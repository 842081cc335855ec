# A virtual environment, and a package from an index that is served in the same sandbox.
python3 -m venv --system-site-packages --without-pip venv
python3 -m http.server --bind 127.0.0.1 --directory index 8001 >/dev/null 2>&1 &
venv/bin/python -c 'import time, urllib.request
for _ in range(600):
    try:
        urllib.request.urlopen("http://127.0.0.1:8001/simple/greeting/"); break
    except OSError:
        time.sleep(0.1)'
venv/bin/python -m pip install --quiet --index-url http://127.0.0.1:8001/simple greeting
venv/bin/python -c 'import greeting; print(greeting.hello("pip"))'
