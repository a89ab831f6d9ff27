//! An API server of one object, for tests without a network.
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use tower_service::Service;

use crate::Client;

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) uri: String,
    pub(crate) body: Value,
}

#[derive(Default)]
struct State {
    object: Option<Value>,
    conflicts: u32,
    calls: Vec<Call>,
}

/// The server; clones are the same one.
#[derive(Clone)]
pub(crate) struct FakeServer(Arc<Mutex<State>>);

impl FakeServer {
    pub(crate) fn with(object: Option<Value>) -> Self {
        Self(Arc::new(Mutex::new(State { object, ..State::default() })))
    }

    pub(crate) fn client(&self) -> Client {
        Client::with_service(self.clone())
    }

    pub(crate) fn set(&self, object: Option<Value>) {
        self.0.lock().unwrap().object = object;
    }

    pub(crate) fn object(&self) -> Option<Value> {
        self.0.lock().unwrap().object.clone()
    }

    /// So many of the next writes of the whole object lose a race.
    pub(crate) fn conflicts(&self, count: u32) {
        self.0.lock().unwrap().conflicts = count;
    }

    /// Calls of a method so far.
    pub(crate) fn calls(&self, method: &str) -> Vec<Call> {
        self.0.lock().unwrap().calls.iter().filter(|call| call.method == method).cloned().collect()
    }

    fn answer(&self, call: Call) -> (u16, Value) {
        let mut state = self.0.lock().unwrap();
        state.calls.push(call.clone());
        match call.method.as_str() {
            "DELETE" if state.object.take().is_some() => return (200, status(200)),
            "PUT" if state.conflicts > 0 => {
                state.conflicts -= 1;
                return (409, status(409));
            }
            "POST" | "PUT" => state.object = Some(call.body),
            "PATCH" => merge(state.object.as_mut().unwrap(), &call.body),
            _ => {}
        }
        state.object.clone().map_or_else(|| (404, status(404)), |object| (200, object))
    }
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else {
        target.clone_from(patch);
        return;
    };
    for (name, value) in members {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

fn status(code: u16) -> Value {
    let (word, reason) = match code {
        200 => ("Success", ""),
        404 => ("Failure", "NotFound"),
        _ => ("Failure", "Conflict"),
    };
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": word, "message": "because", "reason": reason, "code": code})
}

impl Service<Request<Body>> for FakeServer {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let bytes = body.collect_bytes().await.unwrap();
            let body = serde_json::from_slice(&bytes).unwrap_or_default();
            let (code, answer) = server.answer(Call { method: head.method.to_string(), uri: head.uri.to_string(), body });
            Ok(Response::builder().status(code).body(Body::from(answer.to_string().into_bytes())).unwrap())
        })
    }
}
