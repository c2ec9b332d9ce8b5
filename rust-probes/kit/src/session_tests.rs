use std::env;
use std::process::{Command as Process, Stdio};

use super::*;
use crate::mqtt::{
    Client, Confirmation, Connect, Connected, Disconnect, Event, Events, Publish, Subscribe,
    Unsubscribe,
};
use crate::wire::Setting;

/// Delivers to itself what it publishes; a publish to `stuck` never returns.
struct Loopback(Events);

impl Client for Loopback {
    fn connect(&mut self, _: Connect) -> Result<Connected, Failure> {
        Err(Failure::refused("not authorized"))
    }

    fn publish(&mut self, request: Publish) -> Result<Confirmation, Failure> {
        if request.topic == "stuck" {
            loop {
                thread::park();
            }
        }
        self.0.push(Event::Message {
            topic: request.topic,
            payload: request.payload,
            qos: Some(request.qos),
            retain: None,
            dup: Some(false),
            properties: None,
        });
        Ok(Confirmation::HandedOver)
    }

    fn subscribe(&mut self, _: Subscribe) -> Result<Confirmation, Failure> {
        Err(Failure::unsupported("several-filters", "one at a time"))
    }

    fn unsubscribe(&mut self, _: Unsubscribe) -> Result<Confirmation, Failure> {
        Err(Failure::io("connection reset by peer").indefinite())
    }

    fn disconnect(&mut self, _: Disconnect) -> Result<(), Failure> {
        Ok(())
    }
}

struct Fails;

impl Handler for Fails {
    type Event = Event;
    const VOCABULARY: &'static [&'static str] = &["connect"];

    fn call(&mut self, _: &str, _: Value) -> Result<Value, Failure> {
        Ok(json!({}))
    }

    fn poll(&mut self, _: &crate::events::Events<Event>, _: Duration) -> Result<(), Failure> {
        Err(Failure::io("broken pipe"))
    }
}

fn info() -> Info {
    Info {
        krate: "loopback",
        lock: "[[package]]\nname = \"loopback\"\nversion = \"1.2.3\"\n",
        dialects: &["mqtt-3.1.1"],
        ops: &["connect", "publish", "subscribe", "unsubscribe", "wait"],
        settings: vec![Setting {
            name: "set_max_packet_size",
            value: "2",
            default: "1",
            source: "docs",
            dialects: &["mqtt-3.1.1"],
        }],
        assembled: &["publish"],
    }
}

fn answers<H: Handler>(make: impl FnOnce(Events_<H>) -> H, commands: &[Value]) -> Vec<Value> {
    let lines = commands.iter().map(|command| Ok(command.to_string()));
    let mut output = Vec::new();
    converse(&info(), make, lines, &mut output).expect("a conversation");
    output
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("JSON"))
        .collect()
}

type Events_<H> = crate::events::Events<<H as Handler>::Event>;

fn loopback(commands: &[Value]) -> Vec<Value> {
    answers(
        |events| crate::mqtt::Mqtt::new(Loopback(events), info().dialects),
        commands,
    )
}

/// The code and the text of the error that answers `command`.
fn error(command: Value) -> (String, String) {
    let answers = loopback(&[command]);
    let error = &answers[0]["error"];
    (
        error["code"].as_str().expect("an error").to_owned(),
        error["text"].as_str().expect("a text").to_owned(),
    )
}

#[test]
fn hello_stands_beside_re() {
    assert_eq!(
        loopback(&[json!({"id": 1, "op": "hello", "wire": 1})]),
        [json!({
            "re": 1, "wire": 1, "crate": "loopback", "version": "1.2.3", "dialects": ["mqtt-3.1.1"],
            "ops": ["connect", "publish", "subscribe", "unsubscribe", "wait"],
            "settings": [{"name": "set_max_packet_size", "value": "2", "default": "1", "source": "docs", "dialects": ["mqtt-3.1.1"]}],
            "assembled": ["publish"],
        })]
    );
}

#[test]
fn mqtt_5_is_unknown_to_a_probe_of_3_1_1() {
    let connect = json!({"id": 1, "op": "connect", "host": "h", "port": 1, "client_id": "c", "keep_alive_s": 5});
    let publish = json!({"id": 1, "op": "publish", "topic": "t", "payload": ""});
    let subscribe =
        json!({"id": 1, "op": "subscribe", "filters": [{"filter": "t", "options": {}}]});
    for (command, field, value) in [
        (&connect, "protocol", json!("5")),
        (&connect, "properties", json!({})),
        (
            &connect,
            "will",
            json!({"topic": "t", "payload": "", "properties": {}}),
        ),
        (&publish, "properties", json!({})),
        (&subscribe, "properties", Value::Null),
    ] {
        let mut command = command.clone();
        command[field] = value;
        assert_eq!(error(command.clone()).0, "unknown", "{command}");
    }
    let mut plain = connect;
    plain["protocol"] = json!("3.1.1");
    assert_eq!(error(plain).0, "refused");
}

#[test]
fn what_the_contract_does_not_have_is_unknown() {
    for command in [
        json!({"id": 1, "op": "frobnicate"}),
        json!({"id": 1, "op": "publish", "topic": "t", "payload": "", "frob": 1}),
        json!({"id": 1, "op": "connect", "host": "h", "port": 1, "client_id": "c", "keep_alive_s": 5,
               "will": {"topic": "t", "payload": "", "frob": 1}}),
        json!({"id": 1, "op": "subscribe", "filters": [{"filter": "t", "frob": 1}]}),
        json!({"id": 1, "op": "wait", "count": 1, "timeout_ms": 1, "frob": 1}),
        json!({"id": 1, "op": "hello", "wire": 1, "frob": 1}),
    ] {
        assert_eq!(error(command.clone()).0, "unknown", "{command}");
    }
}

#[test]
fn what_the_contract_does_not_allow_is_a_bad_value() {
    for command in [
        json!({"id": 1, "op": "publish", "topic": "t", "payload": "", "qos": 3}),
        json!({"id": 1, "op": "publish", "topic": "t", "payload": "", "qos": -1}),
        json!({"id": 1, "op": "publish", "topic": "t", "payload": "", "qos": "1"}),
        json!({"id": 1, "op": "publish", "topic": "t", "payload": "a"}),
        json!({"id": 1, "op": "publish", "topic": "t"}),
        json!({"id": 1, "op": "subscribe", "filters": []}),
        json!({"id": 1, "op": "wait", "count": 0, "timeout_ms": 1}),
        json!({"id": 1, "op": "connect", "host": "h", "port": 0, "client_id": "c", "keep_alive_s": 5}),
        json!({"id": 1, "op": "connect", "host": "h", "port": 65536, "client_id": "c", "keep_alive_s": 5}),
        json!({"id": 1, "op": "connect", "host": "h", "port": 1, "client_id": "c", "keep_alive_s": 4}),
    ] {
        assert_eq!(error(command.clone()).0, "bad_value", "{command}");
    }
}

#[test]
fn an_operation_that_the_probe_lacks_is_not_written() {
    assert_eq!(error(json!({"id": 1, "op": "disconnect"})).0, "not_written");
}

#[test]
fn failures_are_told_as_they_are() {
    assert_eq!(
        loopback(&[
            json!({"id": 1, "op": "connect", "host": "h", "port": 1, "client_id": "c", "keep_alive_s": 5}),
            json!({"id": 2, "op": "subscribe", "filters": [{"filter": "t", "qos": 2}]}),
            json!({"id": 3, "op": "unsubscribe", "filters": ["t"]}),
        ]),
        [
            json!({"re": 1, "error": {"code": "refused", "text": "not authorized", "definite": true}}),
            json!({"re": 2, "error": {"code": "unsupported", "text": "one at a time", "definite": true,
                                      "feature": "several-filters"}}),
            json!({"re": 3, "error": {"code": "io", "text": "connection reset by peer", "definite": false}}),
        ]
    );
}

#[test]
fn a_wait_writes_what_was_kept_and_no_more_than_it_was_asked_for() {
    let message = |payload| json!({"event": "message", "topic": "t", "payload": payload, "qos": 1, "retain": null, "dup": false});
    let publish = |id, payload| json!({"id": id, "op": "publish", "topic": "t", "payload": payload, "qos": 1});
    assert_eq!(
        loopback(&[
            publish(1, "AA=="),
            publish(2, ""),
            publish(3, "/w=="),
            json!({"id": 4, "op": "wait", "count": 2, "timeout_ms": 60000}),
            json!({"id": 5, "op": "wait", "count": 2, "timeout_ms": 10}),
        ]),
        [
            json!({"re": 1, "ok": {"confirmed": false}}),
            json!({"re": 2, "ok": {"confirmed": false}}),
            json!({"re": 3, "ok": {"confirmed": false}}),
            message("AA=="),
            message(""),
            json!({"re": 4, "ok": {"events": 2}}),
            message("/w=="),
            json!({"re": 5, "ok": {"events": 1}}),
        ]
    );
}

#[test]
fn a_wait_sees_what_another_thread_pushes_meanwhile() {
    let wait = json!({"id": 1, "op": "wait", "count": 1, "timeout_ms": 60000});
    let later = |events: Events| {
        let from_elsewhere = events.clone();
        crate::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            from_elsewhere.push(Event::Reconnected);
        });
        crate::mqtt::Mqtt::new(Loopback(events), info().dialects)
    };
    assert_eq!(
        answers(later, &[wait]),
        [
            json!({"event": "reconnected"}),
            json!({"re": 1, "ok": {"events": 1}})
        ]
    );
}

#[test]
fn an_error_while_polling_answers_the_wait() {
    let broken = |events: Events| {
        events.push(Event::Disconnected {
            reason: "cut".to_owned(),
            reason_code: None,
        });
        Fails
    };
    assert_eq!(
        answers(
            broken,
            &[json!({"id": 1, "op": "wait", "count": 2, "timeout_ms": 60000})]
        ),
        [
            json!({"event": "disconnected", "reason": "cut"}),
            json!({"re": 1, "error": {"code": "io", "text": "broken pipe", "definite": true}}),
        ]
    );
}

#[test]
fn a_line_that_is_no_command_ends_the_conversation() {
    let lines = [Ok("{\"op\":\"hello\"}".to_owned())].into_iter();
    let result = converse(
        &info(),
        |events| crate::mqtt::Mqtt::new(Loopback(events), info().dialects),
        lines,
        io::sink(),
    );
    assert!(result
        .expect_err("no id")
        .to_string()
        .contains("missing field `id`"));
}

/// Not a test: the process that the two tests below talk to.
#[test]
#[ignore]
fn a_probe() {
    let code = if env::var_os("KIT_PANICS").is_some() {
        crate::spawn(|| panic!("the crate's panic"));
        crate::mqtt::serve(info(), Loopback)
    } else {
        crate::mqtt::serve(info(), Loopback)
    };
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
}

fn probe() -> Process {
    let mut probe = Process::new(env::current_exe().expect("this program"));
    probe
        .args(["--ignored", "--exact", "session::tests::a_probe"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    probe
}

#[test]
fn the_end_of_input_ends_an_idle_probe_at_once_and_a_stuck_one_in_time() {
    for (command, least, most) in [
        ("", Duration::ZERO, GRACE),
        (
            "{\"id\":1,\"op\":\"publish\",\"topic\":\"stuck\",\"payload\":\"\"}\n",
            GRACE,
            GRACE + Duration::from_secs(2),
        ),
    ] {
        let start = Instant::now();
        let mut probe = probe().spawn().expect("a process");
        let mut input = probe.stdin.take().expect("a pipe");
        input.write_all(command.as_bytes()).expect("a reader");
        drop(input);
        assert!(probe.wait().expect("an end").success());
        assert!(
            (least..most).contains(&start.elapsed()),
            "{command}: {:?}",
            start.elapsed()
        );
    }
}

#[test]
fn a_panic_on_a_thread_of_the_probe_ends_it() {
    let mut probe = probe().env("KIT_PANICS", "1").spawn().expect("a process");
    let _open_input = probe.stdin.take();
    assert_eq!(probe.wait().expect("an end").code(), Some(101));
}
