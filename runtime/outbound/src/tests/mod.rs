//! Requests over real sockets to servers of the test's own, which are on loopback addresses: the only
//! ones that a test has, and so allowed by name where they are to be reached.

mod limits;
mod rules;
mod server;
mod tls;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use triphammer_model::{HttpRules, TraceContext};

use crate::{
    Caller, Client, Error, Exchange, Options, Patience, Report, RequestCounts, Resolve, Resolved,
    Secret, Secrets,
};

pub(crate) const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
pub(crate) const SECRET: &str = "s3cr3t-value";

/// Names and their addresses; every other name is not found.
struct Names(BTreeMap<&'static str, Vec<IpAddr>>);

impl Resolve for Names {
    fn resolve(&self, name: &str) -> Resolved {
        let found = self.0.get(name).cloned();
        Box::pin(async move { found.ok_or_else(|| io::Error::other("not found")) })
    }
}

/// Those that are `.local` are on this machine, and the operator says that they may be.
pub(crate) fn names() -> Box<dyn Resolve> {
    let (local, public) = (Ipv4Addr::LOCALHOST.into(), Ipv4Addr::new(8, 8, 8, 8).into());
    let names = [
        ("api.local", vec![local]),
        ("other.local", vec![local]),
        ("rebound.example", vec![local]),
        ("both.example", vec![public, local]),
        ("metadata.example", vec![Ipv4Addr::new(169, 254, 169, 254).into()]),
    ];
    Box::new(Names(names.into()))
}

pub(crate) fn options() -> Options {
    let secret = Secret::new(
        SECRET,
        vec!["http://api.local".parse().unwrap()],
        vec!["pay".parse().unwrap()],
    );
    Options {
        allow: vec!["**".parse().unwrap()],
        allow_private: vec!["*.local".parse().unwrap()],
        secrets: Arc::new(Secrets::new([("KEY".parse().unwrap(), secret.unwrap())].into())),
        ..Options::default()
    }
}

pub(crate) fn rules() -> HttpRules {
    HttpRules {
        allow: vec!["**".parse().unwrap()],
        requests: 4,
        bytes: 1024,
        timeout: Duration::from_secs(20),
    }
}

/// An attempt of the function `pay`, and what it was told of requests that failed.
pub(crate) struct Attempt {
    pub(crate) client: Arc<Client>,
    exchange: Exchange,
    told: Arc<Mutex<Vec<String>>>,
}

impl Attempt {
    pub(crate) fn new(options: Options, rules: HttpRules) -> Self {
        Self::of(options, |caller| caller.rules = Some(Arc::new(rules)))
    }

    pub(crate) fn of(options: Options, change: impl FnOnce(&mut Caller)) -> Self {
        let client = Arc::new(Client::with_resolver(options, names()).unwrap());
        let mut caller = Caller {
            function: "pay".parse().unwrap(),
            rules: Some(Arc::new(rules())),
            idempotency_key: Some("host-7-pay".to_owned()),
            attempt: 1,
            trace: TraceContext::parse(PARENT, None),
            dry_run: false,
        };
        change(&mut caller);
        let told = Arc::<Mutex<Vec<String>>>::default();
        let lines = Arc::clone(&told);
        let report: Report = Arc::new(move |what, error| {
            lines.lock().unwrap().push(format!("{what}: {} {error}", error.code()));
        });
        let exchange = Exchange::new(Arc::clone(&client), caller, report);
        Self { client, exchange, told }
    }

    /// Sends a request, and reads the whole answer.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<String, Error> {
        self.send_patiently(request, Patience::default()).await
    }

    pub(crate) async fn send_patiently(
        &mut self,
        request: Request<Full<Bytes>>,
        patience: Patience,
    ) -> Result<String, Error> {
        let answer = self.exchange.send(request, patience).await?;
        let status = answer.response.status();
        let connection = tokio::spawn(answer.connection);
        let body = answer.response.into_body().collect().await;
        connection.abort();
        let body = String::from_utf8(body?.to_bytes().to_vec()).unwrap();
        Ok(format!("{} {body}", status.as_u16()))
    }

    pub(crate) fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn counted(&self, answered: u64, denied: u64, failed: u64) {
        let expect = RequestCounts { answered, denied, failed, abandoned: 0 };
        assert_eq!(self.client.counts(), expect);
    }
}

pub(crate) fn get(url: impl AsRef<str>) -> Request<Full<Bytes>> {
    Request::get(url.as_ref()).body(Full::default()).unwrap()
}

pub(crate) fn post(url: impl AsRef<str>, body: &str) -> Request<Full<Bytes>> {
    Request::post(url.as_ref()).body(Bytes::copy_from_slice(body.as_bytes()).into()).unwrap()
}
