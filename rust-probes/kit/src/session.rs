//! One conversation: commands in, replies and events out.

use std::io::{self, BufRead, Write};
use std::process::{self, ExitCode};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{json, Map, Value};

use crate::events::Events;
use crate::lock;
use crate::wire::{Failure, Info, VERSION};

/// How long a command that is under way may still take once standard input ended; the contract gives five seconds.
const GRACE: Duration = Duration::from_secs(3);

/// The operations of one dialect, over one client.
pub trait Handler {
    /// What the dialect's events look like on the wire.
    type Event: Serialize;

    /// Every operation of the dialect, whether this client has it or not.
    const VOCABULARY: &'static [&'static str];

    /// Does `op`; the result is what stands below `ok`.
    fn call(&mut self, op: &str, fields: Value) -> Result<Value, Failure>;

    /// Lets the client work for at most `remaining`, or until something happened.
    fn poll(&mut self, events: &Events<Self::Event>, remaining: Duration) -> Result<(), Failure>;
}

/// Talks to the harness until standard input ends.
pub fn serve<H: Handler>(info: Info, make: impl FnOnce(Events<H::Event>) -> H) -> ExitCode {
    match converse(&info, make, standard_input(), io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kit: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The lines of standard input. They are read on a thread of their own, so that the process can end when its input does,
/// even where a call into the crate never returns.
fn standard_input() -> mpsc::IntoIter<io::Result<String>> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let broken = line.is_err();
            if sender.send(line).is_err() || broken {
                return;
            }
        }
        drop(sender);
        thread::sleep(GRACE);
        process::exit(0);
    });
    lines.into_iter()
}

#[derive(Deserialize)]
struct Command {
    id: u64,
    op: String,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hello {
    #[serde(rename = "wire")]
    _wire: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    count: u64,
    timeout_ms: u64,
}

fn converse<H: Handler>(
    info: &Info,
    make: impl FnOnce(Events<H::Event>) -> H,
    lines: impl Iterator<Item = io::Result<String>>,
    mut output: impl Write,
) -> io::Result<()> {
    let events = Events::new();
    let mut handler = make(events.clone());
    for line in lines {
        let Command { id, op, fields } = serde_json::from_str(&line?)?;
        let fields = Value::Object(fields);
        let result = match op.as_str() {
            "hello" => match decode::<Hello>(fields) {
                Ok(_) => {
                    write(&mut output, &hello(id, info))?;
                    continue;
                }
                Err(failure) => Err(failure),
            },
            "wait" => wait(&mut handler, &events, fields, &mut output)?,
            op if info.ops.contains(&op) => handler.call(op, fields),
            op if H::VOCABULARY.contains(&op) => {
                Err(Failure::not_written(format!("the probe has no `{op}` yet")))
            }
            op => Err(Failure::unknown(format!("unknown operation `{op}`"))),
        };
        match result {
            Ok(ok) => write(&mut output, &json!({"re": id, "ok": ok}))?,
            Err(error) => write(&mut output, &json!({"re": id, "error": error}))?,
        }
    }
    Ok(())
}

fn hello(id: u64, info: &Info) -> Value {
    json!({
        "re": id,
        "wire": VERSION,
        "crate": info.krate,
        "version": lock::version(info.lock, info.krate),
        "dialects": info.dialects,
        "ops": info.ops,
        "settings": info.settings,
        "assembled": info.assembled,
    })
}

/// The outer result is that of writing, the inner one is the reply.
fn wait<H: Handler>(
    handler: &mut H,
    events: &Events<H::Event>,
    fields: Value,
    output: &mut impl Write,
) -> io::Result<Result<Value, Failure>> {
    let Wait { count, timeout_ms } = match decode(fields) {
        Ok(Wait { count: 0, .. }) => {
            return Ok(Err(Failure::bad_value(
                "`count` is 0, but must be at least 1",
            )))
        }
        Ok(request) => request,
        Err(failure) => return Ok(Err(failure)),
    };
    let start = Instant::now();
    let timeout = Duration::from_millis(timeout_ms);
    let mut written = 0;
    loop {
        while written < count {
            let Some(event) = events.pop() else { break };
            write(output, &event)?;
            written += 1;
        }
        let remaining = timeout.saturating_sub(start.elapsed());
        if written == count || remaining.is_zero() {
            return Ok(Ok(json!({ "events": written })));
        }
        if let Err(failure) = handler.poll(events, remaining) {
            return Ok(Err(failure));
        }
    }
}

/// The typed form of a command's fields; a field that is not declared is `unknown`, as the contract wants.
pub(crate) fn decode<T: DeserializeOwned>(fields: Value) -> Result<T, Failure> {
    serde_json::from_value(fields).map_err(|error| {
        let text = error.to_string();
        if text.starts_with("unknown field") {
            Failure::unknown(text)
        } else {
            Failure::bad_value(text)
        }
    })
}

/// A list with at least one item.
pub(crate) fn not_empty<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    match Vec::deserialize(deserializer)? {
        items if items.is_empty() => Err(serde::de::Error::custom("an empty list")),
        items => Ok(items),
    }
}

fn write(output: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
