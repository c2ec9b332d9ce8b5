use super::*;
use crate::wire::Failure;

/// Every type of field tables, as WIRE.md has it.
const TABLE: &str = r#"{
    "array": {"t": "A", "v": [{"t": "I", "v": 1}, {"t": "S", "v": "two"}]},
    "boolean": {"t": "t", "v": false},
    "bytes": {"t": "x", "v": "AP8="},
    "decimal": {"t": "D", "v": "3.14"},
    "double": {"t": "d", "v": 0.1},
    "float": {"t": "f", "v": -2.75},
    "long-int": {"t": "I", "v": -40},
    "long-long-int": {"t": "l", "v": "-9223372036854775808"},
    "long-long-uint": {"t": "L", "v": "18446744073709551615"},
    "long-string": {"t": "S", "v": "Küche"},
    "long-uint": {"t": "i", "v": 4294967295},
    "short-int": {"t": "s", "v": -32768},
    "short-short-int": {"t": "b", "v": -128},
    "short-short-uint": {"t": "B", "v": 255},
    "short-uint": {"t": "u", "v": 65535},
    "table": {"t": "F", "v": {"inner": {"t": "t", "v": true}}},
    "timestamp": {"t": "T", "v": "1700000000"},
    "void": {"t": "V", "v": null}
}"#;

fn parse<T: serde::de::DeserializeOwned>(fields: Value) -> Result<T, String> {
    serde_json::from_value(fields).map_err(|error| error.to_string())
}

#[test]
fn every_type_of_a_table_is_read() {
    let table: Table = serde_json::from_str(TABLE).expect("a table");
    let list = Field::List(vec![Field::I32(1), Field::Text("two".to_owned())]);
    assert_eq!(table["array"], list);
    assert_eq!(table["boolean"], Field::Bool(false));
    assert_eq!(table["bytes"], Field::Bytes(vec![0x00, 0xFF]));
    assert_eq!(table["decimal"], Field::Decimal("3.14".to_owned()));
    assert_eq!(table["double"], Field::F64(0.1));
    assert_eq!(table["float"], Field::F32(-2.75));
    assert_eq!(table["long-int"], Field::I32(-40));
    assert_eq!(table["long-long-int"], Field::I64(i64::MIN));
    assert_eq!(table["long-long-uint"], Field::U64(u64::MAX));
    assert_eq!(table["long-string"], Field::Text("Küche".to_owned()));
    assert_eq!(table["long-uint"], Field::U32(u32::MAX));
    assert_eq!(table["short-int"], Field::I16(i16::MIN));
    assert_eq!(table["short-short-int"], Field::I8(i8::MIN));
    assert_eq!(table["short-short-uint"], Field::U8(u8::MAX));
    assert_eq!(table["short-uint"], Field::U16(u16::MAX));
    let inner = Table::from([("inner".to_owned(), Field::Bool(true))]);
    assert_eq!(table["table"], Field::Table(inner));
    assert_eq!(table["timestamp"], Field::Timestamp(1_700_000_000));
    assert_eq!(table["void"], Field::Void);
    assert_eq!(table.len(), 18);
}

#[test]
fn a_table_is_written_as_it_was_read() {
    let mut wanted: Value = serde_json::from_str(TABLE).expect("JSON");
    // Nothing has no value, which readers take for null.
    wanted["void"] = json!({"t": "V"});
    let table: Table = serde_json::from_str(TABLE).expect("a table");
    assert_eq!(serde_json::to_value(table).expect("JSON"), wanted);
}

#[test]
fn a_wrong_field_is_refused() {
    for (field, problem) in [
        (json!({"t": "q", "v": 1}), "unknown variant `q`"),
        (json!({"t": "b", "v": 128}), "i8"),
        (json!({"t": "B", "v": -1}), "u8"),
        (json!({"t": "u", "v": 65536}), "u16"),
        (json!({"t": "l", "v": -1}), "string"),
        (json!({"t": "l", "v": "9223372036854775808"}), "too large"),
        (json!({"t": "x", "v": "?"}), "base64"),
        (json!({"v": 1}), "missing field `t`"),
    ] {
        let error = parse::<Field>(field.clone()).expect_err("refused");
        assert!(error.contains(problem), "{field}: {error}");
    }
}

#[test]
fn what_a_request_leaves_out_has_the_documented_default() {
    let connect: Connect = parse(json!({"host": "localhost", "port": 5672})).expect("connect");
    let login = (connect.username.as_str(), connect.password.as_str());
    assert_eq!((connect.vhost.as_str(), login), ("/", ("guest", "guest")));
    assert_eq!((connect.heartbeat_s, connect.tls.is_none()), (60, true));
    let ack: Ack = parse(json!({"tag": "18446744073709551615"})).expect("ack");
    let flags = (ack.multiple, ack.accept, ack.requeue);
    assert_eq!(
        (ack.channel, ack.tag, flags),
        (1, u64::MAX, (false, true, false))
    );
    let bind: Bind = parse(json!({"destination": "q", "source": "x"})).expect("bind");
    assert_eq!(bind.destination_kind, Destination::Queue);
    let closing: Disconnect = parse(json!({})).expect("disconnect");
    assert_eq!((closing.code, closing.text.as_str()), (200, ""));
}

#[test]
fn an_unknown_field_is_refused() {
    let error = parse::<Qos>(json!({"prefetch_count": 1, "colour": "red"})).expect_err("refused");
    assert!(error.contains("unknown field `colour`"), "{error}");
    let error = parse::<Properties>(json!({"cluster_id": "c"})).expect_err("refused");
    assert!(error.contains("unknown field `cluster_id`"), "{error}");
}

#[test]
fn properties_keep_what_is_set_and_what_is_not() {
    let fields = json!({
        "content_type": "text/plain", "delivery_mode": 2, "timestamp": "1700000000", "type": "reading",
        "headers": {"room": {"t": "S", "v": "attic"}},
    });
    let properties: Properties = parse(fields.clone()).expect("properties");
    assert_eq!(properties.r#type.as_deref(), Some("reading"));
    assert_eq!(
        (properties.timestamp, properties.priority),
        (Some(1_700_000_000), None)
    );
    let written = serde_json::to_value(properties).expect("JSON");
    for (name, value) in written.as_object().expect("an object") {
        assert_eq!(value, fields.get(name).unwrap_or(&Value::Null), "{name}");
    }
}

#[test]
fn events_are_written_as_the_contract_has_them() {
    let delivery = Delivery {
        channel: 2,
        tag: u64::MAX,
        exchange: String::new(),
        routing_key: "queue".to_owned(),
        redelivered: Some(true),
        properties: Properties::default(),
        body: b"hi".to_vec(),
        consumer: None,
    };
    let written = serde_json::to_value(Event::Delivery(delivery)).expect("JSON");
    assert_eq!(written["event"], "delivery");
    assert_eq!(written["tag"], "18446744073709551615");
    assert_eq!(written["body"], "aGk=");
    assert_eq!(written["redelivered"], true);
    assert_eq!(
        serde_json::to_value(Event::Unblocked).expect("JSON"),
        json!({"event": "unblocked"})
    );
    let cancelled = Event::ConsumerCancelled {
        channel: 1,
        consumer: "c".to_owned(),
    };
    let wanted = json!({"event": "consumer_cancelled", "channel": 1, "consumer": "c"});
    assert_eq!(serde_json::to_value(cancelled).expect("JSON"), wanted);
}

/// Knows one queue, which is empty; a publish is confirmed.
struct OneQueue;

impl Client for OneQueue {
    fn connect(&mut self, _: Connect) -> Result<(), Failure> {
        Ok(())
    }

    fn declare_queue(&mut self, request: DeclareQueue) -> Result<Declared, Failure> {
        Ok(Declared {
            queue: request.queue,
            messages: 0,
            consumers: 0,
        })
    }

    fn declare_exchange(&mut self, _: DeclareExchange) -> Result<(), Failure> {
        Ok(())
    }

    fn bind(&mut self, _: Bind) -> Result<(), Failure> {
        Ok(())
    }

    fn publish(&mut self, _: Publish) -> Result<Confirmation, Failure> {
        Ok(Confirmation::Confirmed)
    }

    fn get(&mut self, _: Get) -> Result<Option<Delivery>, Failure> {
        Ok(None)
    }

    fn consume(&mut self, _: Consume) -> Result<(), Failure> {
        Ok(())
    }

    fn cancel(&mut self, _: Cancel) -> Result<(), Failure> {
        Ok(())
    }

    fn ack(&mut self, _: Ack) -> Result<(), Failure> {
        Ok(())
    }

    fn qos(&mut self, _: Qos) -> Result<(), Failure> {
        Ok(())
    }

    fn confirm(&mut self, _: OnChannel) -> Result<(), Failure> {
        Ok(())
    }

    fn transaction(&mut self, _: Transaction) -> Result<(), Failure> {
        Err(Failure::unsupported("transactions", "it has none"))
    }

    fn delete(&mut self, _: Delete) -> Result<(), Failure> {
        Ok(())
    }

    fn close_channel(&mut self, _: OnChannel) -> Result<(), Failure> {
        Ok(())
    }

    fn update_secret(&mut self, _: UpdateSecret) -> Result<(), Failure> {
        Ok(())
    }

    fn disconnect(&mut self, _: Disconnect) -> Result<(), Failure> {
        Ok(())
    }
}

#[test]
fn every_operation_reaches_the_client_and_gives_its_reply() {
    let mut client = Amqp(OneQueue);
    let empty = json!({});
    for (op, fields, reply) in [
        ("connect", json!({"host": "h", "port": 1}), empty.clone()),
        (
            "declare_queue",
            json!({"queue": "q"}),
            json!({"queue": "q", "messages": 0, "consumers": 0}),
        ),
        (
            "declare_exchange",
            json!({"exchange": "x", "kind": "fanout"}),
            empty.clone(),
        ),
        (
            "bind",
            json!({"destination": "q", "source": "x"}),
            empty.clone(),
        ),
        (
            "publish",
            json!({"routing_key": "q", "body": ""}),
            json!({"confirmed": true}),
        ),
        (
            "publish_all",
            json!({"routing_key": "q", "bodies": ["aGk=", ""]}),
            json!({"outcomes": ["handed_over", "handed_over"]}),
        ),
        ("get", json!({"queue": "q"}), json!({"message": null})),
        ("consume", json!({"queue": "q"}), empty.clone()),
        ("cancel", json!({"consumer": "c"}), empty.clone()),
        ("ack", json!({"tag": "1"}), empty.clone()),
        (
            "qos",
            json!({"prefetch_count": 1, "global": true}),
            empty.clone(),
        ),
        ("confirm", empty.clone(), empty.clone()),
        (
            "delete",
            json!({"what": "messages", "name": "q"}),
            empty.clone(),
        ),
        ("close_channel", empty.clone(), empty.clone()),
        (
            "update_secret",
            json!({"secret": "s", "reason": "r"}),
            empty.clone(),
        ),
        ("disconnect", empty.clone(), empty.clone()),
    ] {
        let got = client.call(op, fields);
        assert_eq!(got.ok(), Some(reply), "{op}");
    }
    assert!(client
        .call("transaction", json!({"action": "select"}))
        .is_err());
    assert!(client.call("teleport", empty).is_err());
    let nothing = json!({"routing_key": "q", "bodies": []});
    assert!(client.call("publish_all", nothing).is_err());
}

#[test]
fn an_answer_goes_where_the_request_says() {
    let request = Delivery {
        channel: 2,
        tag: 7,
        exchange: String::new(),
        routing_key: "requests".to_owned(),
        redelivered: None,
        properties: Properties {
            reply_to: Some("answers".to_owned()),
            correlation_id: Some("c-1".to_owned()),
            message_id: Some("m-1".to_owned()),
            ..Properties::default()
        },
        body: b"hi".to_vec(),
        consumer: None,
    };
    let answer = request.answer();
    assert_eq!(
        (answer.channel, answer.routing_key.as_str()),
        (2, "answers")
    );
    assert_eq!(answer.body, b"hi");
    let wanted = Properties {
        correlation_id: Some("c-1".to_owned()),
        ..Properties::default()
    };
    assert_eq!(answer.properties, wanted);
}
