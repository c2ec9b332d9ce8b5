#!/bin/sh
# Starts and stops the node once, so that the JVM archives the classes that it loaded. Part of the image's build.
set -eu

home=/tmp/iotyet-kafka
log=/tmp/train.log
JAVA_FLAGS="-XX:ArchiveClassesAtExit=$home/classes.jsa" /bin/sh "$(dirname "$0")/start.sh" > $log 2>&1 &
node=$!
tries=0
until grep -q 'started (kafka.server\|Kafka.*Server - .*started' $log; do
    tries=$((tries + 1))
    if [ $tries -gt 600 ] || ! kill -0 $node; then
        tail -n 40 $log
        exit 1
    fi
    sleep 0.1
done
kill -TERM $node
wait $node || true
test -f $home/classes.jsa
rm -rf $home/data $home/zookeeper $home/logs $log
