#!/bin/sh
# Starts a cluster in one container: node 1 is the controller, nodes 2 and 3 are brokers. start.sh runs it.
#
# ADVERTISED_2, ADVERTISED_3: what clients of each broker are told to connect to.
# Each node leaves its process id in /tmp/iotyet-node-NUMBER.pid, so that the harness can kill it.
set -eu

config=$(dirname "$0")
home=/tmp/iotyet-cluster
classpath=$(printf '%s:' /opt/kafka/libs/*.jar)
flags="-Xms64m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto"

# Settings of one node: its number, its roles, its listeners, and what it advertises.
node() {
    mkdir -p $home/$1
    {
        cat "$config/server.properties"
        echo "node.id=$1"
        echo "process.roles=$2"
        echo "listeners=$3"
        [ -z "$4" ] || echo "advertised.listeners=$4"
        echo "log.dirs=$home/$1/data"
        echo 'controller.listener.names=CONTROLLER'
        echo 'controller.quorum.voters=1@127.0.0.1:9094'
        # A killed broker is noticed soon.
        echo 'broker.session.timeout.ms=6000'
    } > $home/$1/server.properties
    [ "$2" != controller ] || sed -i '/^inter.broker/d' $home/$1/server.properties
    java -Xmx128m $flags -cp "$classpath" kafka.tools.StorageTool format \
        --config $home/$1/server.properties --cluster-id aW90eWV0LWlvdHlldC1pbw
    java -Xmx256m $flags -Dkafka.logs.dir=$home/$1/logs -cp "$classpath" kafka.Kafka $home/$1/server.properties &
    echo $! > /tmp/iotyet-node-$1.pid
}

node 1 controller CONTROLLER://127.0.0.1:9094 ''
node 2 broker PLAIN://0.0.0.0:9092,INTERNAL://127.0.0.1:9093,PROBE0://0.0.0.0:9100 \
    "$ADVERTISED_2,INTERNAL://127.0.0.1:9093"
node 3 broker PLAIN://0.0.0.0:9102,INTERNAL://127.0.0.1:9095,PROBE0://0.0.0.0:9101 \
    "$ADVERTISED_3,INTERNAL://127.0.0.1:9095"
trap 'kill $(cat /tmp/iotyet-node-*.pid)' TERM
wait $(cat /tmp/iotyet-node-1.pid)
