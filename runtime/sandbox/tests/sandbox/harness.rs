//! A sandbox for all tests, and calls in one line.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OnceCell;
use triphammer_model::{
    Delivery, DeliveryId, Effects, Event, EventParts, ExtensionValue, LogLine, OrderingKey,
    RevisionId, Seq, Timestamp,
};
use triphammer_sandbox::{
    BatchCall, BatchItem, Call, HostError, Invoked, Module, Prepared, Sandbox, SandboxOptions,
    StateReader,
};

use crate::guests::guest;

/// Kept until the process ends, which leaves the directory to the system's cleaning.
pub(crate) static SANDBOX: LazyLock<Arc<Sandbox>> =
    LazyLock::new(|| Sandbox::new(SandboxOptions::new(scratch().keep())).unwrap());

pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

pub(crate) async fn prepare(wasm: impl Into<Bytes>) -> Prepared {
    SANDBOX.prepare(wasm.into()).await.unwrap()
}

/// The guest that breaks each limit on request.
pub(crate) async fn misbehave() -> Module {
    static MODULE: OnceCell<Module> = OnceCell::const_new();
    let prepared = async || prepare(guest("misbehave")).await.module;
    MODULE.get_or_init(prepared).await.clone()
}

/// Committed state, given by the test.
#[derive(Clone, Default)]
pub(crate) struct Committed(pub(crate) BTreeMap<String, Bytes>);

impl Committed {
    pub(crate) fn of(entries: &[(&str, &str)]) -> Arc<Self> {
        let entry = |(name, value): &(&str, &str)| {
            ((*name).to_owned(), Bytes::copy_from_slice(value.as_bytes()))
        };
        Arc::new(Self(entries.iter().map(entry).collect()))
    }
}

impl StateReader for Committed {
    fn get(&self, name: &str) -> Result<Option<Bytes>, HostError> {
        Ok(self.0.get(name).cloned())
    }

    fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Bytes)>, HostError> {
        let from = after.filter(|after| *after >= prefix);
        let from = from.map_or(Bound::Included(prefix), Bound::Excluded);
        let entries = self.0.range::<str, _>((from, Bound::Unbounded));
        let entries = entries.take_while(|(name, _)| name.starts_with(prefix));
        Ok(entries.take(limit).map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

/// A call of `module` with an event of type `ty`, to be changed where a test needs it.
pub(crate) fn call(module: &Module, ty: &str, data: &str) -> Call {
    let event = Event::new(&EventParts {
        id: "e-1".into(),
        source: "/test".into(),
        ty: ty.into(),
        subject: Some("s-1".into()),
        datacontenttype: Some("application/json".into()),
        extensions: vec![("note".into(), ExtensionValue::Text("x".into()))],
        data: Some(Bytes::copy_from_slice(data.as_bytes())),
        ..EventParts::default()
    });
    let id = DeliveryId { seq: Seq::new(7).unwrap(), function: "test".parse().unwrap() };
    let delivery = Delivery {
        id,
        revision: RevisionId::new(3).unwrap(),
        attempt: 1,
        key: OrderingKey::new("s-1").ok(),
        accepted: Timestamp(1_000),
        deadline: Timestamp(11_000),
    };
    Call {
        module: module.clone(),
        event: event.unwrap(),
        idempotency_key: delivery.idempotency_key("host"),
        delivery,
        config: Arc::new(BTreeMap::new()),
        state: Arc::new(Committed::default()),
        timeout: Duration::from_secs(10),
        memory_bytes: 64 << 20,
        http: None,
        trace: None,
        dry_run: false,
    }
}

/// A call of `module` with events of type `ty`, one for each id and payload.
pub(crate) fn batch(module: &Module, ty: &str, events: &[(&str, &str)]) -> BatchCall {
    let mut seq = 0;
    let item = |(id, data): &(&str, &str)| {
        seq += 1;
        let Call { event, mut delivery, .. } = call(module, ty, data);
        let event = Event::new(&EventParts { id: (*id).to_owned(), ..event.to_parts() }).unwrap();
        delivery.id.seq = Seq::new(seq).unwrap();
        BatchItem { event, idempotency_key: delivery.idempotency_key("host"), delivery }
    };
    BatchCall {
        module: module.clone(),
        items: events.iter().map(item).collect(),
        config: Arc::new(BTreeMap::new()),
        state: Arc::new(Committed::default()),
        timeout: Duration::from_secs(10),
        memory_bytes: 64 << 20,
        http: None,
        trace: None,
    }
}

/// Has the guest misbehave in one way.
pub(crate) async fn misbehaved(way: &str, data: &str) -> Invoked {
    SANDBOX.invoke(call(&misbehave().await, &format!("misbehave.{way}"), data)).await
}

/// What the guest asked for.
#[track_caller]
pub(crate) fn effects(invoked: Invoked) -> Effects {
    invoked.result.unwrap_or_else(|error| panic!("{}: {error}", error.code()))
}

/// The reply as text.
#[track_caller]
pub(crate) fn reply(invoked: Invoked) -> String {
    let reply = effects(invoked).reply.expect("there is a reply");
    String::from_utf8(reply.data.into()).unwrap()
}

pub(crate) fn messages(logs: &[LogLine]) -> Vec<&str> {
    logs.iter().map(|line| line.message.as_str()).collect()
}
