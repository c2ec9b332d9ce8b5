//! One client: its requests, and the task that polls its loop.

use std::sync::Arc;
use std::time::Duration;

use kit::mqtt::{self, Connected, Events, Publish};
use kit::Failure;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, Outgoing, Packet, PublishNotice, StateError,
};
use tokio::sync::mpsc::{unbounded_channel, UnboundedSender};
use tokio::sync::{oneshot, Mutex};
use tokio::task::JoinHandle;

use crate::packets;

/// As in `examples/resubscribe_on_reconnect_v5.rs`.
const PAUSE: Duration = Duration::from_secs(1);

/// What to publish again, and the task that does it.
type Echoing = Arc<Mutex<Option<(mqtt::Echo, UnboundedSender<Publish>)>>>;

/// A client whose loop is polled by a task of its own.
pub struct Link {
    pub client: AsyncClient,
    polling: JoinHandle<()>,
    echoing: Echoing,
}

impl Link {
    /// Polls the loop; returns once CONNACK came.
    pub async fn start(
        client: AsyncClient,
        eventloop: EventLoop,
        events: &Events,
    ) -> Result<(Self, Connected), Failure> {
        let (sender, first) = oneshot::channel();
        let (events, echoing) = (events.clone(), Echoing::default());
        let shared = Arc::clone(&echoing);
        let polling = tokio::spawn(poll(eventloop, sender, events, shared));
        let connected = first.await.map_err(Failure::krate)??;
        let link = Self {
            client,
            polling,
            echoing,
        };
        Ok((link, connected))
    }

    pub async fn publish(&self, request: Publish) -> Result<PublishNotice, Failure> {
        let options = packets::publish(request.qos, request.retain, request.properties);
        self.client
            .publish_tracked(request.topic, request.payload, options)
            .await
            .map_err(Failure::krate)
    }

    pub async fn echo(&self, request: mqtt::Echo) {
        let (sender, mut answers) = unbounded_channel::<Publish>();
        let client = self.client.clone();
        tokio::spawn(async move {
            while let Some(answer) = answers.recv().await {
                let options = packets::publish(answer.qos, answer.retain, None);
                let sent = client.publish(answer.topic, answer.payload, options);
                if let Err(error) = sent.await {
                    eprintln!("echo: {error}");
                }
            }
        });
        *self.echoing.lock().await = Some((request, sender));
    }

    /// Waits until the loop was left, with which its connection is dropped.
    pub async fn end(self) {
        let _panicked = self.polling.await;
    }
}

async fn poll(
    mut eventloop: EventLoop,
    first: oneshot::Sender<Result<Connected, Failure>>,
    events: Events,
    echoing: Echoing,
) {
    let (mut first, mut connected) = (Some(first), false);
    loop {
        match eventloop.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(ack))) => {
                connected = true;
                match first.take() {
                    Some(first) => {
                        let _unheard_at_the_end = first.send(Ok(packets::connack(ack)));
                    }
                    None => events.push(mqtt::Event::Reconnected),
                }
            }
            Ok(Event::Incoming(Packet::Publish(message))) => {
                let event = packets::delivered(message);
                if let Some((echo, answers)) = echoing.lock().await.as_ref() {
                    if let Some(answer) = echo.answer(&event) {
                        let _unheard_at_the_end = answers.send(answer);
                    }
                }
                events.push(event);
            }
            Ok(Event::Outgoing(Outgoing::Disconnect)) => return,
            Ok(_) => {}
            Err(error) => {
                if let Some(first) = first.take() {
                    let _unheard_at_the_end = first.send(Err(failure(&error)));
                    return; // `connect` failed
                }
                if connected {
                    events.push(mqtt::Event::Disconnected {
                        reason: error.to_string(),
                        reason_code: reason_code(&error),
                    });
                }
                if matches!(error, ConnectionError::RequestsDone) {
                    return;
                }
                connected = false;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// What the server's DISCONNECT said.
fn reason_code(error: &ConnectionError) -> Option<u8> {
    match error {
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => {
            Some(*reason_code as u8)
        }
        _ => None,
    }
}

fn failure(error: &ConnectionError) -> Failure {
    use ConnectionError as E;
    match error {
        E::ConnectionRefused(_) | E::MqttState(StateError::ConnFail { .. }) => {
            Failure::refused(error)
        }
        E::Timeout(_) | E::MqttState(StateError::AwaitPingResp | StateError::CollisionTimeout) => {
            Failure::timeout(error)
        }
        E::Io(_)
        | E::Tls(_)
        | E::Websocket(_)
        | E::MqttState(
            StateError::Io(_) | StateError::ServerDisconnect { .. } | StateError::ConnectionAborted,
        ) => Failure::io(error),
        E::NotConnAck(_)
        | E::SessionStateMismatch { .. }
        | E::ResponseValidation(_)
        | E::MqttState(
            StateError::Deserialization(_)
            | StateError::ProtocolViolation(_)
            | StateError::Unsolicited(_)
            | StateError::IncomingPacketTooLarge { .. },
        ) => Failure::protocol(error),
        _ => Failure::krate(error),
    }
}
