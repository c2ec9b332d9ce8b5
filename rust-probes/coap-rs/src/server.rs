//! The server: [`Server::serve`](https://docs.rs/coap/0.29.0/coap/struct.Server.html#method.serve) with a `Router`, as
//! the [README](https://docs.rs/crate/coap/0.29.0/source/README.md) has it; what is asked is read by an extractor of our
//! own, as [`extract`](https://docs.rs/coap/0.29.0/coap/router/extract/index.html) allows. `Server::new_udp` does not tell
//! a port that the system picked: the listener is made from a socket, as the
//! [tests of the crate](https://docs.rs/crate/coap/0.29.0/source/src/server.rs) do it. Over DTLS the listener is in
//! [`crate::dtls`].

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use coap::discovery::{
    LINK_ATTR_CONTENT_FORMAT, LINK_ATTR_INTERFACE_DESCRIPTION, LINK_ATTR_MAXIMUM_SIZE_ESTIMATE,
    LINK_ATTR_OBSERVABLE, LINK_ATTR_RESOURCE_TYPE,
};
use coap::router::extract::{FromRequest, State};
use coap::router::response::{Response, StatusCode};
use coap::router::{get, Method, Request, Router};
use coap::server::{Listener, UdpCoapListener};
use coap::Server;
use kit::coap::{Dtls, Event, Events, SLOW};
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;

/// What is kept for each path, and where events go.
#[derive(Clone)]
struct Store {
    bodies: Arc<Mutex<BTreeMap<Vec<String>, Vec<u8>>>>,
    events: Events,
}

/// Starts a server on a thread of its own; returns its port.
pub fn start(runtime: &Arc<Runtime>, events: Events, dtls: Option<Dtls>) -> io::Result<u16> {
    let (listener, port) = runtime.block_on(async {
        match dtls {
            Some(dtls) => crate::dtls::listen(&dtls).await,
            None => listen().await,
        }
    })?;
    let store = Store {
        bodies: Arc::default(),
        events,
    };
    let every = || get(answer).put(answer).post(answer).delete(answer);
    let late = || get(answer_late).put(answer_late).post(answer_late);
    let router = Router::from_state(store)
        .route(
            "/store",
            every()
                .link_attribute(LINK_ATTR_RESOURCE_TYPE, "kept here")
                .link_attribute(LINK_ATTR_INTERFACE_DESCRIPTION, "keeper")
                .link_attribute(LINK_ATTR_MAXIMUM_SIZE_ESTIMATE, "64")
                .link_attribute(LINK_ATTR_CONTENT_FORMAT, "42"),
        )
        .route("/a/b/c", every())
        .route(
            "/obs",
            every()
                .link_attribute(LINK_ATTR_RESOURCE_TYPE, "watched")
                .link_flag(LINK_ATTR_OBSERVABLE),
        )
        .route("/slow", late().delete(answer_late))
        .enable_discovery(true);
    let runtime = Arc::clone(runtime);
    kit::spawn(move || {
        let served = runtime.block_on(async {
            let server = Server::from_listeners(vec![listener]);
            server.serve(router).await
        });
        if let Err(error) = served {
            eprintln!("the server ended: {error}");
        }
    });
    Ok(port)
}

async fn listen() -> io::Result<(Box<dyn Listener>, u16)> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let port = socket.local_addr()?.port();
    Ok((Box::new(UdpCoapListener::from_socket(socket)), port))
}

/// What a request asks for.
struct Asked {
    method: Method,
    path: Vec<String>,
    query: Vec<String>,
    payload: Vec<u8>,
}

impl<S: Sync> FromRequest<S> for Asked {
    type Rejection = Infallible;

    async fn from_request(request: &Request, _state: &S) -> Result<Self, Infallible> {
        Ok(Self {
            method: request.method(),
            path: request.path_as_vec(),
            query: request.query_as_vec().unwrap_or_default(),
            payload: request.payload(),
        })
    }
}

async fn answer(asked: Asked, State(store): State<Store>) -> Response {
    store.events.push(Event::Served {
        method: format!("{:?}", asked.method).to_uppercase(),
        path: asked.path.clone(),
        query: asked.query,
        payload: asked.payload.clone(),
    });
    let mut bodies = store.bodies.lock().unwrap_or_else(PoisonError::into_inner);
    let response = Response::new();
    match asked.method {
        Method::Get => match bodies.get(&asked.path) {
            Some(body) => response
                .set_status_code(StatusCode::Content)
                .set_payload(body.clone()),
            None => response.set_status_code(StatusCode::NotFound),
        },
        Method::Put => {
            bodies.insert(asked.path, asked.payload);
            response.set_status_code(StatusCode::Changed)
        }
        Method::Delete => {
            bodies.remove(&asked.path);
            response.set_status_code(StatusCode::Deleted)
        }
        _ => response
            .set_status_code(StatusCode::Changed)
            .set_payload(asked.payload),
    }
}

async fn answer_late(asked: Asked, state: State<Store>) -> Response {
    tokio::time::sleep(SLOW).await;
    answer(asked, state).await
}
