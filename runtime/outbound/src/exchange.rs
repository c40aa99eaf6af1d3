//! The requests of one attempt: each is admitted or denied at once, by rules that need no network; what
//! is admitted is then connected, sent and answered within its time.
//!
//! No redirect is followed: the guest sees it, and if it goes there, that is a request like the first.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, Uri};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout_at;
use triphammer_model::{FunctionName, HttpRules, Scheme, Target, TraceContext};

use crate::body::{Meter, RequestBody, ResponseBody, Watch, broken};
use crate::client::Client;
use crate::connect::{Stream, after};
use crate::error::{Error, Side};
use crate::headers::{Additions, check_method, complete, has_key, origin_form, writes};
use crate::observe::Seen;

/// Told of every request that fails: its method and target, and why.
pub type Report = Arc<dyn Fn(&str, &Error) + Send + Sync>;

/// Whose requests these are.
#[derive(Clone, Debug)]
pub struct Caller {
    pub function: FunctionName,
    /// Of the manifest; none when it has none.
    pub rules: Option<Arc<HttpRules>>,
    /// Of the delivery: the same for every attempt at it. None when there is more than one delivery,
    /// for what an attempt at all of them sends may be sent again in other parts.
    pub idempotency_key: Option<String>,
    /// Counts from 1.
    pub attempt: u32,
    /// The attempt's place in its trace; none of an event that is in none.
    pub trace: Option<TraceContext>,
    /// Whether what the attempt does is thrown away: then it makes no requests.
    pub dry_run: bool,
}

/// How long a guest waits, where that is less than the rules give it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    pub connect: Option<Duration>,
    pub first_byte: Option<Duration>,
    pub between_bytes: Option<Duration>,
}

/// What comes of a request.
pub struct Answer {
    pub response: Response<ResponseBody>,
    /// Must be polled for the body to come; ends with it.
    pub connection: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// The requests of one attempt. What is under way when it ends is dropped by whoever holds it.
pub struct Exchange {
    client: Arc<Client>,
    caller: Caller,
    report: Report,
    meter: Arc<Meter>,
    /// Decided on so far.
    asked: u32,
    /// Of these, the ones admitted.
    requests: u32,
    /// Of these, the ones that write.
    written: u32,
}

/// A request that may be sent.
struct Admitted<B> {
    client: Arc<Client>,
    target: Target,
    request: Request<RequestBody<B>>,
    patience: Patience,
    timeout: Duration,
    watch: Arc<Watch>,
}

impl Exchange {
    pub fn new(client: Arc<Client>, caller: Caller, report: Report) -> Self {
        let bytes = caller.rules.as_ref().map_or(0, |rules| rules.bytes);
        let meter = Arc::new(Meter::new(bytes));
        Self { client, caller, report, meter, asked: 0, requests: 0, written: 0 }
    }

    /// Decides on a request, and sends it when the future is polled.
    pub fn send<B>(
        &mut self,
        request: Request<B>,
        patience: Patience,
    ) -> impl Future<Output = Result<Answer, Error>> + Send + use<B>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let (mut head, body) = request.into_parts();
        let what = describe(&head);
        let trace = self.place();
        let observer = self.client.observer.as_ref();
        let watch = Arc::new(Watch::new(
            what,
            Arc::clone(&self.report),
            Arc::clone(&self.meter),
            Arc::clone(&self.client.counters),
            Seen::new(observer, &self.caller, trace.as_ref(), &head),
        ));
        let admitted = self.admit(&mut head, trace.as_ref()).map(|(target, timeout)| Admitted {
            client: Arc::clone(&self.client),
            target,
            request: Request::from_parts(
                head,
                RequestBody { inner: body, watch: Arc::clone(&watch) },
            ),
            patience,
            timeout,
            watch: Arc::clone(&watch),
        });
        async move {
            let answered = match admitted {
                Ok(admitted) => Box::pin(admitted.run()).await,
                Err(error) => Err(error),
            };
            answered.map_err(|error| watch.fail(error))
        }
    }

    /// The next request's own place in the trace.
    fn place(&mut self) -> Option<TraceContext> {
        self.asked += 1;
        let seed = u64::from(self.caller.attempt) << 32 | u64::from(self.asked);
        self.caller.trace.as_ref().map(|trace| trace.child(&seed.to_le_bytes()))
    }

    /// All rules but the one of addresses. Makes the head what is sent.
    fn admit(
        &mut self,
        head: &mut Parts,
        trace: Option<&TraceContext>,
    ) -> Result<(Target, Duration), Error> {
        let rules = self.caller.rules.clone().ok_or(Error::Undeclared)?;
        let target = target(&head.uri)?;
        check_method(&head.method)?;
        if !rules.allows(&target) {
            return Err(Error::Manifest(target));
        }
        if !self.client.allows(&target) {
            return Err(Error::Operator(target));
        }
        if self.caller.dry_run {
            return Err(Error::DryRun);
        }
        if self.requests >= rules.requests {
            return Err(Error::Requests { max: rules.requests });
        }
        head.uri = origin_form(&head.uri)?;
        self.client.secrets.fill(&mut head.headers, &self.caller.function, &target)?;
        self.requests += 1;
        let idempotency_key = self.next_key(head);
        let user_agent = &self.client.user_agent;
        let additions = Additions { idempotency_key, trace, user_agent };
        complete(&mut head.headers, &target, &additions);
        Ok((target, rules.timeout))
    }

    /// Counts the requests that write, and not those that read: what an attempt reads first may differ
    /// from one to the next, and what it writes must not be numbered by it.
    fn next_key(&mut self, head: &Parts) -> Option<String> {
        if !writes(&head.method) {
            return None;
        }
        self.written += 1;
        let key = self.caller.idempotency_key.as_ref().filter(|_| !has_key(&head.headers))?;
        Some(format!("{key}-{}", self.written))
    }
}

impl<B> Admitted<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    async fn run(self) -> Result<Answer, Error> {
        let Self { client, target, request, patience, timeout, watch } = self;
        let deadline = after(timeout);
        let connecting = client.connect_timeout.min(patience.connect.unwrap_or(Duration::MAX));
        let connected = deadline.min(after(connecting));
        let place = timeout_at(connected, Arc::clone(&client.places).acquire_owned());
        let place = place.await.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)?;
        let stream = client.connector.connect(&target, connected).await?;
        let first_byte = patience.first_byte.map_or(deadline, |wait| deadline.min(after(wait)));
        let head = head(stream, request, client.head_bytes_max);
        let (response, connection) = match timeout_at(first_byte, head).await {
            Ok(answered) => answered?,
            Err(_) => {
                return Err(Error::Timeout {
                    after: patience.first_byte.unwrap_or(timeout).min(timeout),
                });
            }
        };
        watch.answered(response.status().as_u16());
        let promised = response.body().size_hint().lower();
        watch.meter.check(promised, Side::Response)?;
        let between = patience.between_bytes;
        let times = (deadline, timeout);
        let response =
            response.map(|incoming| ResponseBody::new(incoming, watch, times, between, place));
        Ok(Answer { response, connection })
    }
}

type Connected = (Response<Incoming>, Pin<Box<dyn Future<Output = ()> + Send>>);

/// Sends the request over a connection of its own, until there is a response.
async fn head<B>(
    stream: Stream,
    request: Request<RequestBody<B>>,
    bytes_max: usize,
) -> Result<Connected, Error>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    let failed = |error: &hyper::Error| match error.is_parse_too_large() {
        true => Error::Head { max: bytes_max },
        false => broken(error),
    };
    let mut builder = http1::Builder::new();
    builder.max_buf_size(bytes_max).max_header_size(bytes_max);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    let mut connection = Box::pin(connection);
    let mut response = std::pin::pin!(sender.send_request(request));
    let mut ended = false;
    let response = loop {
        tokio::select! {
            biased;
            response = &mut response => break response,
            // It ends first when the whole response was read with the head.
            end = &mut connection, if !ended => match end {
                Ok(()) => ended = true,
                Err(error) => return Err(failed(&error)),
            },
        }
    };
    let response = response.map_err(|error| failed(&error))?;
    let rest = async move {
        if !ended {
            // What goes wrong now is told by the body.
            let _ = connection.await;
        }
    };
    Ok((response, Box::pin(rest)))
}

pub(crate) fn target(uri: &Uri) -> Result<Target, Error> {
    let scheme = if uri.scheme_str() == Some("http") { Scheme::Http } else { Scheme::Https };
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    Ok(Target::new(scheme, authority)?)
}

/// For log lines: no path, for it may say whom the request is about.
fn describe(head: &Parts) -> String {
    const METHOD_LEN_MAX: usize = 32;
    let method: String = head.method.as_str().chars().take(METHOD_LEN_MAX).collect();
    match target(&head.uri) {
        Ok(target) => format!("{method} {target}"),
        Err(_) => method,
    }
}
