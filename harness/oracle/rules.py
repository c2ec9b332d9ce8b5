"""Every rule with its clause and what it says. The mutants below tests/unit/oracle break each of them."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model import Dialect

#: The protocol level of MQTT 3.1, which was never a standard; clients of 3.1.1 fall back to it.
MQTT_3_1 = 3


@dataclass(frozen=True)
class Rule:
    """A rule that a frame may break."""

    clause: str
    says: str
    #: The clause of MQTT 3.1.1, where `clause` is that of 5.0.
    older: str = ""
    #: The clause of MQTT 3.1; empty where that has no such rule.
    oldest: str = ""

    def clause_in(self, dialect: Dialect, level: int = 0) -> str:
        """The clause in the version that was spoken; `level` is MQTT's of the connection, as CONNECT gives it."""
        if level == MQTT_3_1:
            return self.oldest
        return self.older if dialect is Dialect.MQTT_3_1_1 and self.older else self.clause


def _mqtt(old: str, new: str, says: str, oldest: str = "") -> Rule:
    """A rule of MQTT: its clause in 3.1.1, in 5.0 and in 3.1, each of which may be empty."""
    return Rule(
        f"MQTT 5.0 {new}" if new else f"MQTT 3.1.1 {old}",
        says,
        f"MQTT 3.1.1 {old}" if old else "",
        f"MQTT 3.1, {oldest}" if oldest else "",
    )


RULES: dict[str, Rule] = {
    "mqtt.remaining-length": _mqtt("2.2.3", "1.5.5", "the remaining length has four bytes at most", "2.1"),
    "mqtt.variable-byte-integer": _mqtt(
        "", "[MQTT-1.5.5-1]", "a variable byte integer has as few bytes as its value needs"
    ),
    "mqtt.connect-first": _mqtt("[MQTT-3.1.0-1]", "[MQTT-3.1.0-1]", "the first packet of a client is CONNECT"),
    "mqtt.second-connect": _mqtt("[MQTT-3.1.0-2]", "[MQTT-3.1.0-2]", "a client sends CONNECT once in a connection"),
    "mqtt.protocol-name": _mqtt("[MQTT-3.1.2-1]", "[MQTT-3.1.2-1]", "the protocol name is MQTT"),
    "mqtt.protocol-level": _mqtt("[MQTT-3.1.2-2]", "[MQTT-3.1.2-2]", "the protocol level is 4 or 5"),
    "mqtt.after-disconnect": _mqtt("[MQTT-3.14.4-2]", "[MQTT-3.14.4-1]", "nothing follows DISCONNECT in a connection"),
    "mqtt.packet-type": _mqtt("2.2.1", "2.1.2", "the types 0 and, before 5.0, 15 are reserved", "2.1"),
    "mqtt.server-packet": _mqtt("2.2.1", "2.1.2", "a client does not send what only servers send"),
    "mqtt.reserved-flags": _mqtt(
        "[MQTT-2.2.2-1]", "[MQTT-2.1.3-1]", "reserved flags have the values that table 2.2 gives"
    ),
    "mqtt.short": _mqtt("2.4", "2.3", "every field of a packet lies within its remaining length", "2.1"),
    "mqtt.left-over": _mqtt("2.4", "2.3", "every byte of a packet belongs to one of its fields", "2.1"),
    "mqtt.connect-reserved": _mqtt("[MQTT-3.1.2-3]", "[MQTT-3.1.2-3]", "the reserved flag of CONNECT is 0"),
    "mqtt.will-qos": _mqtt("[MQTT-3.1.2-14]", "[MQTT-3.1.2-12]", "the will's QoS is not 3"),
    "mqtt.will-flags": _mqtt(
        "[MQTT-3.1.2-13], [MQTT-3.1.2-15]",
        "[MQTT-3.1.2-11], [MQTT-3.1.2-13]",
        "without a will its QoS and retain flag are 0",
    ),
    "mqtt.password-alone": _mqtt("[MQTT-3.1.2-22]", "", "without a user name there is no password", "3.1"),
    "mqtt.empty-client-id": _mqtt("[MQTT-3.1.3-7]", "", "an empty client identifier goes with a clean session"),
    "mqtt.utf-8": _mqtt("[MQTT-1.5.3-1]", "[MQTT-1.5.4-1]", "strings are well-formed UTF-8"),
    "mqtt.null-character": _mqtt("[MQTT-1.5.3-2]", "[MQTT-1.5.4-2]", "strings have no U+0000"),
    "mqtt.qos-3": _mqtt("[MQTT-3.3.1-4]", "[MQTT-3.3.1-4]", "the QoS of PUBLISH is not 3", "2.1"),
    "mqtt.dup-qos-0": _mqtt("[MQTT-3.3.1-2]", "[MQTT-3.3.1-2]", "DUP is 0 where QoS is 0"),
    "mqtt.packet-id": _mqtt("[MQTT-2.3.1-1]", "[MQTT-2.2.1-3]", "packet identifiers are not 0", "2.4"),
    "mqtt.empty-topic": _mqtt(
        "[MQTT-4.7.3-1]", "[MQTT-4.7.3-1]", "topic names and filters have at least one character"
    ),
    "mqtt.wildcard-in-name": _mqtt("[MQTT-3.3.2-2]", "[MQTT-3.3.2-2]", "topic names have no wildcards"),
    "mqtt.multi-level-wildcard": _mqtt("[MQTT-4.7.1-2]", "[MQTT-4.7.1-1]", "# is a level of its own, and the last one"),
    "mqtt.single-level-wildcard": _mqtt("[MQTT-4.7.1-3]", "[MQTT-4.7.1-2]", "+ is a level of its own"),
    "mqtt.no-filter": _mqtt(
        "[MQTT-3.8.3-3], [MQTT-3.10.3-2]",
        "[MQTT-3.8.3-2], [MQTT-3.10.3-2]",
        "SUBSCRIBE and UNSUBSCRIBE have a topic filter",
    ),
    "mqtt.subscription-qos": _mqtt("[MQTT-3-8.3-4]", "3.8.3.1", "the QoS of a subscription is not 3"),
    "mqtt.subscription-reserved": _mqtt("[MQTT-3-8.3-4]", "[MQTT-3.8.3-5]", "reserved bits of a subscription are 0"),
    "mqtt.retain-handling": _mqtt("", "3.8.3.1", "retain handling is not 3"),
    "mqtt.shared-no-local": _mqtt("", "[MQTT-3.8.3-4]", "a shared subscription does not have No Local"),
    "mqtt.reason-code": _mqtt("", "[MQTT-3.4.2-1], [MQTT-3.14.2-1]", "reason codes are those that a client may send"),
    "mqtt.property": _mqtt("", "2.2.2.2", "properties are those that table 2-4 has for the packet"),
    "mqtt.property-length": _mqtt("", "2.2.2", "properties lie within the property length"),
    "mqtt.property-twice": _mqtt("", "2.2.2.2, 3.1.2.11", "a property that is no user property is there once"),
    "mqtt.property-value": _mqtt("", "3.1.2.11, 3.3.2.3, 3.8.2.1", "properties have values that their section allows"),
    "mqtt.auth-data-alone": _mqtt("", "3.1.2.11.10", "authentication data goes with an authentication method"),
    "mqtt.no-topic-no-alias": _mqtt("", "3.3.2.1", "a PUBLISH without a topic has a topic alias"),
    "amqp.protocol-header": Rule("AMQP 0-9-1, 4.2.2", "a client begins with the protocol header AMQP 0 0 9 1"),
    "amqp.frame-type": Rule("AMQP 0-9-1, 4.2.3", "frames are of type 1, 2, 3 or 8"),
    "amqp.frame-end": Rule("AMQP 0-9-1, 4.2.3", "a frame ends with the octet 0xCE"),
    "amqp.frame-max": Rule("AMQP 0-9-1, 4.2.3, 1.4.2.5 (tune)", "no frame is larger than agreed"),
    "amqp.frame-min-size": Rule("AMQP 0-9-1, 1.4.2.6 (tune-ok)", "the frame-max that is agreed is 4096 at least, or 0"),
    "amqp.heartbeat-channel": Rule("AMQP 0-9-1, 4.2.3", "heartbeats are on channel 0"),
    "amqp.heartbeat-payload": Rule("AMQP 0-9-1, 4.2.1", "heartbeats have no payload"),
    "amqp.channel": Rule("AMQP 0-9-1, 4.2.3", "methods of class connection are on channel 0, and no others"),
    "amqp.method": Rule("AMQP 0-9-1, 4.2.4", "methods are those that a client may send"),
    "amqp.short": Rule("AMQP 0-9-1, 4.2.4", "every argument lies within its frame"),
    "amqp.left-over": Rule("AMQP 0-9-1, 4.2.4", "every byte of a frame belongs to one of its arguments"),
    "amqp.table": Rule("AMQP 0-9-1, 4.2.5.5", "the entries of a table fill it"),
    "amqp.table-type": Rule("AMQP 0-9-1, 4.2.1 and its errata", "values in tables are of a type that exists"),
    "amqp.header-alone": Rule("AMQP 0-9-1, 4.2.6", "a content header follows a method that carries content"),
    "amqp.header-class": Rule("AMQP 0-9-1, 4.2.6.1", "a content header has the class of its method"),
    "amqp.weight": Rule("AMQP 0-9-1, 4.2.6.1", "the weight of a content header is 0"),
    "amqp.property-flags": Rule("AMQP 0-9-1, 4.2.6.1", "property flags are those of the class, which has fourteen"),
    "amqp.body-alone": Rule("AMQP 0-9-1, 4.2.6", "a content body follows its header"),
    "amqp.body-size": Rule("AMQP 0-9-1, 4.2.6.1", "the bodies of a content are as long as its header says"),
    "amqp.content-unfinished": Rule("AMQP 0-9-1, 4.2.6", "a content is complete before the channel's next method"),
    "coap.version": Rule("RFC 7252, 3", "the version is 1"),
    "coap.token-length": Rule("RFC 7252, 3", "token lengths above 8 are not sent"),
    "coap.empty": Rule("RFC 7252, 4.1", "an Empty message is its header alone, without a token"),
    "coap.code-class": Rule("RFC 7252, 12.1", "the classes of codes are 0, 2, 4 and 5"),
    "coap.type-code": Rule(
        "RFC 7252, 4.2, 4.3", "Reset is Empty, a request is in no Acknowledgement, Empty is not non-confirmable"
    ),
    "coap.short": Rule("RFC 7252, 3", "every field lies within the message"),
    "coap.option-header": Rule("RFC 7252, 3.1", "15 is reserved for the payload marker"),
    "coap.payload-marker": Rule("RFC 7252, 3", "a payload marker is followed by a payload"),
    "coap.option-repeated": Rule("RFC 7252, 5.4.5, 5.10.6.1", "an option that is not repeatable is there once"),
    "coap.option-length": Rule("RFC 7252, 5.4.3, 5.10", "option values have a length that their definition allows"),
    "coap.option-text": Rule("RFC 7252, 3.2", "options that are strings are UTF-8"),
    "coap.dot-segment": Rule("RFC 7252, 5.10.1, 5.10.7", "no segment of a path is . or .."),
    "coap.block-size": Rule("RFC 7959, 2.2", "7 is no size of a block"),
    "zmtp.signature": Rule(
        "23/ZMTP, Formal Grammar (signature)", "a greeting begins with 0xFF, and 0x7F is its tenth byte"
    ),
    "zmtp.mechanism": Rule("23/ZMTP, Formal Grammar (mechanism)", "the mechanism is padded with zeros"),
    "zmtp.as-server": Rule("23/ZMTP, Formal Grammar (as-server)", "as-server is 0 or 1"),
    "zmtp.as-server-null": Rule("23/ZMTP, The NULL Security Mechanism", "as-server is 0 where the mechanism is NULL"),
    "zmtp.filler": Rule("23/ZMTP, Formal Grammar (filler)", "a greeting is filled with zeros"),
    "zmtp.reserved-flags": Rule("23/ZMTP, Framing", "the five upper bits of a frame's flags are 0"),
    "zmtp.long-size": Rule("23/ZMTP, Formal Grammar (long-size)", "sizes are less than 2^63"),
    "zmtp.command-more": Rule("23/ZMTP, Framing", "a command frame does not have MORE"),
    "zmtp.command-inside": Rule("23/ZMTP, Formal Grammar (traffic)", "a command does not come within a message"),
    "zmtp.handshake-first": Rule(
        "23/ZMTP, Formal Grammar (connection)", "the first command is one of the mechanism's handshake"
    ),
    "zmtp.message-before-handshake": Rule("23/ZMTP, Formal Grammar (connection)", "messages follow the handshake"),
    "zmtp.command-name": Rule("37/ZMTP, Formal Grammar (command-name)", "a command's name is letters"),
    "zmtp.short": Rule("37/ZMTP, Formal Grammar (command)", "every field of a command lies within it"),
    "zmtp.left-over": Rule("37/ZMTP, Formal Grammar (command)", "every byte of a command belongs to one of its fields"),
    "zmtp.property-name": Rule(
        "23/ZMTP, Formal Grammar (metadata)", "a property's name has a character, and none that is not allowed"
    ),
    "zmtp.socket-type": Rule("23/ZMTP, The NULL Security Mechanism", "Socket-Type is one that exists"),
    "zmtp.identity": Rule("23/ZMTP, The NULL Security Mechanism", "an identity has 255 bytes at most"),
    "zmtp.ping-context": Rule("37/ZMTP, Connection Heartbeating", "the context of PING and PONG has 16 bytes at most"),
    "zmtp.curve-size": Rule(
        "25/ZMTP-CURVE, Formal Grammar", "commands of the CURVE handshake have the size that they need"
    ),
    "kafka.size": Rule(
        "Kafka protocol guide, Request and Response Headers", "a request's size is at least that of its header"
    ),
    "kafka.api-key": Rule("Kafka protocol guide, Protocol API Keys", "the API key exists"),
    "kafka.header": Rule("Kafka protocol guide, Request Header", "every field of the header lies within the request"),
    "kafka.body": Rule("Kafka protocol guide, the request's own schema", "the fields of a request lie within it"),
    "kafka.left-over": Rule(
        "Kafka protocol guide, the request's own schema", "every byte of a request belongs to a field"
    ),
    "kafka.records": Rule(
        "Kafka message format, Record Batch and Old Message Format", "a batch of records lies within its field"
    ),
    "kafka.magic": Rule("Kafka message format", "records are of the format that the version of Produce takes"),
    "kafka.crc": Rule("Kafka message format (CRC)", "the checksum of a batch is right"),
}
