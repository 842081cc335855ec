# Usage: sh all.sh NAME...: one program after the other, each with its output and its exit code in a file.
mkdir out
for name; do
    begun=$(date +%s)
    timeout -s KILL "$SECONDS_EACH" sh -eu "$name.sh" >"out/$name.txt" 2>&1
    echo "exit code $?" >>"out/$name.txt"
    echo "$name: $(tail -n 1 "out/$name.txt") after $(($(date +%s) - begun)) s"
done
