# A virtual machine that sizes its heap by the limit on memory, its compiler, threads and collector, a server and its client, a child.
java -m jdk.compiler/com.sun.tools.javac.Main -d . Main.java
# With cgroups v1 it looks for that limit only if it sees the controller cpuset too.
heap=
[ -e /sys/fs/cgroup/memory.max ] || [ -e /sys/fs/cgroup/cpuset ] || heap=-Xmx256m
java $heap Main
