# A database with a write-ahead log, which is shared memory, and several writers.
sqlite3 data.db "PRAGMA journal_mode = WAL; CREATE TABLE rows (writer, n);" >/dev/null
python3 writers.py
[ "$(sqlite3 data.db 'SELECT count(*), sum(n) FROM rows')" = "400|19800" ]
[ "$(sqlite3 data.db 'PRAGMA integrity_check')" = ok ]
echo "hello sqlite"
