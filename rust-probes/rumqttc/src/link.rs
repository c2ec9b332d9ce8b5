//! What the crate's two clients have in common: calls, the event loop's reports, and waiting for completion.

use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use kit::mqtt::{self, Connected, Echo, Events, Publish, Subscribe};
use kit::wire::Code;
use kit::Failure;
use rumqttc::Outgoing;

/// The calls of `Client`, in either version of the protocol.
pub trait Calls: Send + Sync {
    fn publish(&self, request: Publish) -> Result<(), Failure>;
    fn subscribe(&self, request: Subscribe) -> Result<(), Failure>;
    fn unsubscribe(&self, filter: String) -> Result<(), Failure>;
    fn disconnect(&self) -> Result<(), Failure>;
}

/// An event of the loop, as far as the probe makes something of it. Reason codes are there in MQTT 5 alone.
#[derive(Clone, Debug)]
pub enum Step {
    Connected(Connected),
    Message(mqtt::Event),
    Outgoing(Outgoing),
    /// What acknowledges the request with this packet id, or refuses it.
    Acknowledged(Ack, u16, Result<Option<Vec<u8>>, Failure>),
    Other,
}

/// Which packet acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// PUBACK, PUBCOMP, or a PUBREC that refuses.
    Publish,
    /// SUBACK.
    Subscribe,
    /// UNSUBACK.
    Unsubscribe,
}

/// An error of the loop.
#[derive(Clone, Debug)]
pub struct Lost {
    pub failure: Failure,
    /// What the server's DISCONNECT said.
    pub reason_code: Option<u8>,
}

pub type Report = Result<Step, Lost>;

/// What to publish again, and the thread that does it.
pub type Echoing = Arc<Mutex<Option<(Echo, Sender<Publish>)>>>;

/// A client whose loop runs on a thread of its own.
pub struct Link {
    pub calls: Arc<dyn Calls>,
    pub reports: Receiver<Report>,
    pub echoing: Echoing,
}

impl Link {
    /// The loop's next report.
    pub fn next(&self) -> Result<Step, Failure> {
        self.reports
            .recv()
            .expect("the event loop runs as long as its client")
            .map_err(|lost| lost.failure)
    }

    /// Waits until the crate reports that the request just made is complete; returns the reason codes.
    ///
    /// Over a lost connection the crate keeps a PUBLISH, but no SUBSCRIBE or UNSUBSCRIBE that it sent; a request that it
    /// kept is dropped where the server has no session (`EventLoop::poll`). Then no report will ever come.
    pub fn finish(&self, kind: Ack, at_hand_over: bool) -> Result<Option<Vec<u8>>, Failure> {
        let (mut id, mut lost) = (None, None);
        loop {
            let step = match self.next() {
                Ok(step) => step,
                Err(failure) if failure.code == Code::Crate => return Err(failure),
                Err(failure) if id.is_some() && kind != Ack::Publish => {
                    return Err(failure.indefinite());
                }
                Err(failure) => {
                    lost = Some(failure.indefinite());
                    continue;
                }
            };
            match (step, kind, &lost) {
                (Step::Outgoing(Outgoing::Publish(sent)), Ack::Publish, _)
                | (Step::Outgoing(Outgoing::Subscribe(sent)), Ack::Subscribe, _)
                | (Step::Outgoing(Outgoing::Unsubscribe(sent)), Ack::Unsubscribe, _) => {
                    if at_hand_over {
                        return Ok(None);
                    }
                    id = id.or(Some(sent));
                }
                (Step::Connected(connected), _, Some(lost))
                    if connected.session_present == Some(false) =>
                {
                    return Err(lost.clone());
                }
                (Step::Acknowledged(ack, of, result), _, _) if ack == kind && id == Some(of) => {
                    return result;
                }
                _ => {}
            }
        }
    }

    /// Waits until the crate reported `count` publishes as complete, in whatever order.
    pub fn finish_all(&self, count: usize, at_hand_over: bool) -> Result<(), Failure> {
        let mut left = count;
        while left > 0 {
            match self.next().map_err(Failure::indefinite)? {
                Step::Outgoing(Outgoing::Publish(_)) if at_hand_over => left -= 1,
                Step::Acknowledged(Ack::Publish, _, result) => {
                    result?;
                    left -= 1;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The loop of the crate's example. An error is passed on where it ends a connection, or the attempt that `connect` waits
/// for; failed attempts to reconnect are not news, and come by the thousand.
pub fn drive(
    steps: impl Iterator<Item = Report>,
    reports: &Sender<Report>,
    events: &Events,
    echoing: &Echoing,
) {
    let (mut connected, mut was_connected) = (false, false);
    for step in steps {
        match &step {
            Ok(Step::Message(message)) => {
                let echoing = echoing.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((echo, answers)) = echoing.as_ref() {
                    if let Some(answer) = echo.answer(message) {
                        let _unheard_at_the_end = answers.send(answer);
                    }
                }
                events.push(message.clone());
                continue;
            }
            Ok(Step::Outgoing(Outgoing::Disconnect)) => break,
            Ok(Step::Connected(_)) => {
                if was_connected {
                    events.push(mqtt::Event::Reconnected);
                }
                (connected, was_connected) = (true, true);
            }
            Ok(_) => {}
            Err(_) if was_connected && !connected => continue,
            Err(lost) if connected => {
                connected = false;
                events.push(mqtt::Event::Disconnected {
                    reason: lost.failure.text.clone(),
                    reason_code: lost.reason_code,
                });
            }
            Err(_) => {}
        }
        let _unheard_at_the_end = reports.send(step);
        if !was_connected {
            break; // the first attempt failed, and `connect` says so
        }
    }
}
