//! What the probes share: the wire contract of `rust-probes/WIRE.md` over standard input and output.
//!
//! A probe implements the trait of its dialect, for example [`mqtt::Client`], with its crate's calls, and hands it to
//! that module's `serve`. The kit reads
//! commands, checks their fields, writes replies, and keeps events until a `wait` asks for them. It depends on nothing but
//! std, serde and serde_json, so that it builds beside a crate of any age.

pub mod amqp;
pub mod base64;
pub mod coap;
pub mod digits;
pub mod events;
pub mod kafka;
mod lock;
pub mod mqtt;
pub mod mqtt5;
mod session;
mod thread;
pub mod wire;
pub mod zmtp;

pub use session::{serve, Handler};
pub use thread::spawn;
pub use wire::{Failure, Info, Setting};
