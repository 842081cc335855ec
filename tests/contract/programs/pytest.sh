# What a grader does: one test fails, and pytest says which.
code=0
python3 -m pytest -q -p no:cacheprovider graded.py >report || code=$?
grep -q "FAILED graded.py::test_wrong" report
grep -q "1 failed, 3 passed" report
[ "$code" = 1 ] && echo "hello pytest"
