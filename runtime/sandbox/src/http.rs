//! `wasi:http/outgoing-handler`: a guest's requests go to the host's client, which decides on them. Knows
//! no rule, no name and no secret itself.
//!
//! A request that fails is a line among the attempt's logs, with its code and the rule that an operator
//! would have to change: `wasi:http` tells the guest less.

use std::sync::Arc;

use http::{HeaderName, Request, Response};
use http_body_util::BodyExt;
use tracing::debug;
use triphammer_model::{Delivery, HttpRules, LogLevel, TraceContext};
use triphammer_outbound::{
    Answer, Caller, Client, Connecting, Error, Exchange, Patience, Report, ResponseBody, Side,
    is_forbidden,
};
use wasmtime::Result;
use wasmtime::component::Linker;
use wasmtime_wasi_http::{
    Error as WasiError, ForbiddenHeaderFilter, RequestOptions, Result as WasiResult, WasiBody,
    WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use crate::host::Guest;
use crate::logs::Logs;

/// The interfaces of `wasi:http` that are linked.
pub(crate) const INTERFACES: [&str; 2] = ["wasi:http/outgoing-handler", "wasi:http/types"];
/// The one that makes requests.
const HANDLER: &str = "wasi:http/outgoing-handler";
/// The headers of one request, in bytes, with what their table takes.
const FIELDS_LEN_MAX: usize = 32 << 10;
/// What a guest may write of a body at a time; twice as much waits in the host.
const CHUNK_LEN_MAX: usize = 32 << 10;

/// Whether a component with these imports can make requests.
pub(crate) fn is_imported(imports: &[String]) -> bool {
    imports.iter().any(|import| import.split('@').next() == Some(HANDLER))
}

pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}

/// What an attempt needs for its requests.
pub(crate) struct Requests {
    pub(crate) client: Arc<Client>,
    pub(crate) caller: Caller,
}

impl Requests {
    /// `idempotency_key` is none for a batch, whose requests belong to none of its events.
    pub(crate) fn new(
        client: &Arc<Client>,
        (rules, dry_run): (&Option<Arc<HttpRules>>, bool),
        delivery: &Delivery,
        idempotency_key: Option<&str>,
        trace: Option<&TraceContext>,
    ) -> Self {
        let caller = Caller {
            function: delivery.id.function.clone(),
            rules: rules.clone(),
            idempotency_key: idempotency_key.map(str::to_owned),
            attempt: delivery.attempt,
            trace: trace.cloned(),
            dry_run,
        };
        Self { client: Arc::clone(client), caller }
    }
}

/// The requests of one guest.
pub(crate) struct Outgoing {
    ctx: WasiHttpCtx,
    hooks: Hooks,
}

/// None while the guest describes itself, which takes no requests.
struct Hooks(Option<Exchange>);

impl Outgoing {
    pub(crate) fn new(requests: Option<Requests>, logs: &Logs) -> Self {
        let mut ctx = WasiHttpCtx::new();
        ctx.set_field_size_limit(FIELDS_LEN_MAX);
        let exchange = requests.map(|Requests { client, caller }| {
            let report = report(caller.function.to_string(), logs.clone());
            Exchange::new(client, caller, report)
        });
        Self { ctx, hooks: Hooks(exchange) }
    }
}

fn report(function: String, logs: Logs) -> Report {
    Arc::new(move |what, error| {
        let code = error.code();
        debug!(code, function, what, %error, "a function's request failed");
        // One line too many ends the attempt where it next writes one itself.
        let _ = logs.write(LogLevel::Warn, &format!("{what}: {error} ({code})"));
    })
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let (outgoing, table) = self.wasi().http();
        WasiHttpCtxView { hooks: &mut outgoing.hooks, table, ctx: &mut outgoing.ctx }
    }
}

/// What the crate waits for: a response, and the rest of its connection's work.
type Sent = WasiResult<(Response<WasiBody>, Box<dyn Future<Output = WasiResult<()>> + Send>)>;

impl WasiHttpHooks for Hooks {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        is_forbidden(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(is_forbidden)
    }

    /// The client sets it, from where it connects to.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_LEN_MAX
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = WasiResult<()>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let Some(exchange) = &mut self.0 else {
            return Box::new(async { Err(WasiError::HttpRequestDenied) });
        };
        let options = options.unwrap_or_default();
        let patience = Patience {
            connect: options.connect_timeout,
            first_byte: options.first_byte_timeout,
            between_bytes: options.between_bytes_timeout,
        };
        let sending = exchange.send(request, patience);
        Box::new(async move {
            let Answer { response, connection } = sending.await.map_err(|error| told(&error))?;
            let connection: Box<dyn Future<Output = _> + Send> = Box::new(async move {
                connection.await;
                Ok(())
            });
            Ok((response.map(body), connection))
        })
    }
}

fn body(body: ResponseBody) -> WasiBody {
    body.map_err(|error| told(&error)).boxed_unsync()
}

/// An error as `wasi:http` has it.
fn told(error: &Error) -> WasiError {
    match error {
        Error::Address { .. } => WasiError::DestinationIpProhibited,
        Error::Target(_) => WasiError::HttpRequestUriInvalid,
        Error::Path { .. } => WasiError::HttpRequestUriTooLong,
        Error::Method { .. } => WasiError::HttpRequestMethodInvalid,
        Error::Bytes { max, of: Side::Request } => WasiError::HttpRequestBodySize(Some(*max)),
        Error::Bytes { max, of: Side::Response } => WasiError::HttpResponseBodySize(Some(*max)),
        Error::Busy => WasiError::ConnectionLimitReached,
        Error::Resolve { timeout: true, .. } => WasiError::DnsTimeout,
        Error::Resolve { .. } => WasiError::DnsError { rcode: None, info_code: None },
        Error::Connect { why: Connecting::Refused, .. } => WasiError::ConnectionRefused,
        Error::Connect { why: Connecting::Timeout, .. } => WasiError::ConnectionTimeout,
        Error::Connect { .. } => WasiError::DestinationUnavailable,
        Error::Tls { certificate: true, .. } => WasiError::TlsCertificateError,
        Error::Tls { .. } => WasiError::TlsProtocolError,
        Error::Timeout { .. } => WasiError::HttpResponseTimeout,
        Error::Head { max } => {
            WasiError::HttpResponseHeaderSectionSize(Some(u32::try_from(*max).unwrap_or(u32::MAX)))
        }
        Error::Terminated => WasiError::HttpResponseIncomplete,
        Error::Protocol | Error::Unfinished => WasiError::HttpProtocolError,
        // All others are rules.
        _ => WasiError::HttpRequestDenied,
    }
}
