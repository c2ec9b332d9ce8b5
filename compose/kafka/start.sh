#!/bin/sh
# Starts one Kafka node with the jars in /opt/kafka/libs: KRaft, and ZooKeeper beside it for lines before 3.
#
# ADVERTISED: what clients are told to connect to, as advertised.listeners has it.
# LISTENERS: where it listens for clients, as listeners has it; by default the container's ports.
# TLS: a folder with good.pem and good.key, for listeners whose TLS Kafka itself ends; empty for none.
# CLUSTER: not empty for a cluster of several nodes (cluster.sh).
# JAVA_FLAGS: more flags for the node's JVM.
# With "format" as argument it only formats the storage.
set -eu

config=$(dirname "$0")
[ -z "${CLUSTER:-}" ] || exec /bin/sh "$config/cluster.sh"
home=/tmp/iotyet-kafka
mkdir -p $home
# Sorted, because a class-data archive only fits the class path that it was made with.
classpath=$(printf '%s:' /opt/kafka/libs/*.jar)
flags="-Xms64m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -Dkafka.logs.dir=$home/logs"
[ ! -f /opt/kafka/libs/slf4j-reload4j-1.7.36.jar ] || flags="$flags -Dlog4j.configuration=file:$config/log4j.properties"
[ ! -f /opt/kafka/config/log4j.properties ] || flags="$flags -Dlog4j.configuration=file:/opt/kafka/config/log4j.properties"
[ ! -f /opt/kafka/config/log4j2.yaml ] || flags="$flags -Dlog4j2.configurationFile=/opt/kafka/config/log4j2.yaml"

# Waits until a file has a line with a text, for at most 30 s.
await_line() {
    tries=0
    until grep -q "$1" "$2" || [ $tries -ge 300 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
}

if [ -z "${LISTENERS:-}" ]; then
    LISTENERS=PLAIN://0.0.0.0:9092
    for number in 0 1 2 3; do
        LISTENERS="$LISTENERS,PROBE$number://0.0.0.0:910$number,SASL$number://0.0.0.0:911$number"
        LISTENERS="$LISTENERS,IPV6_$number://0.0.0.0:912$number,TLS$number://0.0.0.0:913$number"
    done
fi
listeners=$LISTENERS,INTERNAL://127.0.0.1:9093
advertised=${ADVERTISED:-PLAIN://127.0.0.1:9092},INTERNAL://127.0.0.1:9093
# Does without the listeners that begin with a word.
without() {
    listeners=$(echo "$listeners" | sed "s/,$1[^,]*//g")
    advertised=$(echo "$advertised" | sed "s/,$1[^,]*//g")
}

server=$(echo /opt/kafka/libs/kafka_2.1[0-9]-*)
case $server in
# Settings of SASL for one listener came with 1.1 (KIP-226).
*/kafka_2.1[0-9]-0.*) without SASL ;;
esac
case ${TLS:-none}$server in
# Certificates in PEM came with 2.7 (KIP-651); 2.7 and 2.8 want a password for the key.
none* | */kafka_2.1[0-9]-[012].*)
    without TLS
    TLS=
    ;;
esac
case $server in
*/kafka_2.1[0-9]-[012].*) zookeeper=yes ;;
*) zookeeper=no listeners=$listeners,CONTROLLER://127.0.0.1:9094 ;;
esac

{
    cat "$config/server.properties"
    echo "log.dirs=$home/data"
    echo "listeners=$listeners"
    echo "advertised.listeners=$advertised"
    for number in 0 1 2 3; do
        module=org.apache.kafka.common.security
        echo "listener.name.sasl$number.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
        echo "listener.name.sasl$number.plain.sasl.jaas.config=$module.plain.PlainLoginModule required user_probe=\"open-sesame\";"
        for scram in 256 512; do
            echo "listener.name.sasl$number.scram-sha-$scram.sasl.jaas.config=$module.scram.ScramLoginModule required;"
        done
    done
    if [ -n "${TLS:-}" ]; then
        cat "$TLS/good.key" "$TLS/good.pem" > $home/server.pem
        printf 'ssl.keystore.type=PEM\nssl.keystore.location=%s\n' $home/server.pem
    fi
    if [ $zookeeper = yes ]; then
        # A short session, so that a node which was killed can come back soon; all the time that a busy machine needs to
        # connect, which is the session's by default.
        printf 'broker.id=1\nzookeeper.connect=127.0.0.1:2181\n'
        printf 'zookeeper.session.timeout.ms=2000\nzookeeper.connection.timeout.ms=60000\n'
    else
        cat "$config/kraft.properties"
    fi
} > $home/server.properties

if [ $zookeeper = yes ]; then
    [ "${1:-}" != format ] || exit 0
    java -Xmx64m $flags -Dzookeeper.jmx.log4j.disable=true -cp "$classpath" org.apache.zookeeper.server.quorum.QuorumPeerMain \
        "$config/zookeeper.properties" > $home/zookeeper.log 2>&1 &
    # A node that was killed left a session behind. Until ZooKeeper ends it, it takes this node for a second one with the
    # same number, and refuses it. Kafka leaves a file where it stopped in good order.
    if [ -d $home/data ] && [ ! -f $home/data/.kafka_cleanshutdown ]; then
        await_line 'Expiring session' $home/zookeeper.log
    fi
elif [ ! -f $home/data/meta.properties ]; then
    java -Xmx128m $flags -cp "$classpath" kafka.tools.StorageTool format \
        --config $home/server.properties --cluster-id aW90eWV0LWlvdHlldC1pbw
fi
[ "${1:-}" != format ] || exit 0

[ ! -f $home/classes.jsa ] || flags="$flags -XX:SharedArchiveFile=$home/classes.jsa"
# exec: the node is PID 1, so that a stop reaches it.
exec java -Xmx256m $flags ${JAVA_FLAGS:-} -cp "$classpath" kafka.Kafka $home/server.properties
