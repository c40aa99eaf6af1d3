//! The whole host: built from a configuration, run until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::info;
use triphammer_access::{AuditLog, TokenFile, Tokens};
use triphammer_outbound::{Client, SetupError, tls_config};
use triphammer_pipeline::{OpenError, Options, Pipeline, Push, Running};
use triphammer_telemetry::{Exporter, semconv};

use crate::alerts::Watch;
use crate::body::BodyReader;
use crate::codec::Bounds;
use crate::config::{AuditConfig, Config, ConfigError, HttpLimits, OtlpConfig, Token};
use crate::exposure::{self, Protection};
use crate::gate::Gate;
use crate::guard::Guard;
use crate::hooks::Hooks;
use crate::listen;
use crate::overview::{Samples, sample};
use crate::push::Pusher;
use crate::route::Server;
use crate::settings::Fixed;
use crate::tasks::{TaskError, TaskKind, Tasks};
use crate::tls::{Tls, TlsError};
use crate::traces::Recorder;

/// A host that has recovered and listens, and answers once it is [run](Self::run).
#[derive(Debug)]
pub struct App {
    address: SocketAddr,
    listener: TcpListener,
    pipeline: Pipeline,
    running: Running,
    gate: Gate,
    tls: Option<Arc<Tls>>,
    /// What sends traces and logs.
    exporter: Option<Exporter>,
    config: Config,
}

/// Why the host did not start, or had to end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Other machines could reach it, and nothing protects it.
    #[error("{0}")]
    Exposed(String),
    #[error(transparent)]
    Access(#[from] triphammer_access::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("can't listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("requests can't go out")]
    Outgoing(#[source] SetupError),
    #[error("traces and logs can't be sent")]
    Telemetry(#[source] std::io::Error),
    #[error("traces and logs can't be sent by TLS")]
    TelemetryTls(#[source] SetupError),
    #[error("can't open the data directory")]
    Open(#[from] Box<OpenError>),
    /// Everything that was acknowledged is on disk, and the next start finds it.
    #[error("the host had to end: {0}")]
    Failed(String),
}

impl AppError {
    /// Stable, for whoever starts this host.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config(error) => error.code(),
            Self::Exposed(_) => "config.exposed",
            Self::Access(error) => error.code(),
            Self::Tls(error) => error.code(),
            Self::Listen { .. } => "host.listen",
            Self::Outgoing(error) | Self::TelemetryTls(error) => error.code(),
            Self::Telemetry(_) => "otlp.thread",
            Self::Open(error) => error.code(),
            Self::Failed(_) => "host.failed",
        }
    }
}

impl App {
    /// Listens, then opens the data directory and recovers. Connections that come meanwhile wait.
    pub async fn build(config: Config) -> Result<Self, AppError> {
        let tls = config.tls.clone().map(Tls::open).transpose()?.map(Arc::new);
        let tokens = tokens(&config, tls.as_deref())?;
        let listen_error = |source| AppError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let mut options = config.pipeline.clone();
        observe(&mut options, config.otlp.as_ref());
        options.push = Some(pusher(&options)?);
        let opening = tokio::task::spawn_blocking(move || Pipeline::open(&options)).await;
        let (pipeline, running) = match opening {
            Ok(opened) => opened.map_err(Box::new)?,
            Err(error) => return Err(AppError::Failed(error.to_string())),
        };
        let exporter = config.otlp.as_ref().map(|otlp| export(otlp, pipeline.host_id()));
        let exporter = exporter.transpose()?;
        // Only now, for another host might have been writing to it.
        let AuditConfig { path, files, file_bytes } = config.audit.clone();
        match AuditLog::open(path, files, file_bytes) {
            Ok(audit) => {
                let gate = Gate::new(tokens, Arc::new(audit));
                Ok(Self { address, listener, pipeline, running, gate, tls, exporter, config })
            }
            Err(error) => {
                let closing = move || running.shutdown(CLOSING);
                let closed = tokio::task::spawn_blocking(closing).await;
                closed.map_err(|error| AppError::Failed(error.to_string()))?;
                Err(error.into())
            }
        }
    }

    /// Where this host answers, without a slash at the end.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            let local = if address.is_ipv4() { [127, 0, 0, 1].into() } else { LOOPBACK_V6 };
            address.set_ip(local);
        }
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    /// The address that it listens on, with the port that it was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `signal` resolves, then finishes what is running and closes the data
    /// directory. Ends with an error when the journal fails.
    pub async fn run(self, signal: impl Future<Output = ()>) -> Result<(), AppError> {
        let Self { address, listener, pipeline, mut running, gate, tls, exporter, config } = self;
        let grace = config.shutdown_grace;
        let mut tasks = Tasks::new();
        gate.record(gate.own("host-start", started(&config, address, &gate))).await;
        let server = Arc::new(server(&config, address, pipeline, gate, tls, &tasks));
        let (samples, watched) = (server.samples.clone(), server.pipeline.clone());
        let sampling = sample(samples, watched, Watch::new(config.alerts), tasks.shutdown());
        tasks.spawn(TaskKind::Sampler, sampling);
        tasks.spawn(TaskKind::Http, listen::serve(listener, server, tasks.shutdown()));
        info!(%address, "listening");
        let mut asked = None;
        let stop = async {
            let reason = tokio::select! {
                () = signal => None,
                reason = running.failed() => Some(reason),
            };
            asked = Some((Instant::now(), reason));
        };
        let result = tasks.run(stop, grace).await;
        let (since, failed) = asked.unwrap_or_else(|| (Instant::now(), None));
        // What the requests have left of the grace, and a little in any case: the checkpoint.
        let left = grace.saturating_sub(since.elapsed()).max(CLOSING);
        // It blocks until the threads of the pipeline have ended.
        let closing = move || {
            running.shutdown(left);
            // The last attempts have told of themselves.
            if let Some(exporter) = exporter {
                exporter.stop(grace.saturating_sub(since.elapsed()).max(CLOSING));
            }
        };
        let closed = tokio::task::spawn_blocking(closing).await;
        let outcome = match (failed, result) {
            (Some(reason), _) | (None, Err(TaskError::Failed(reason))) => Err(reason),
            (None, Err(error @ TaskError::Panicked(_))) => Err(error.to_string()),
            (None, Ok(())) => closed.map_err(|error| error.to_string()),
        };
        outcome.map_err(AppError::Failed)
    }
}

/// Tells of events, attempts and requests, where there is a collector.
fn observe(options: &mut Options, otlp: Option<&OtlpConfig>) {
    let Some(otlp) = otlp else { return };
    let recorder = Arc::new(Recorder::new(otlp.telemetry.clone()));
    options.sampling = otlp.sampling;
    options.traces_per_second = otlp.traces_per_second;
    options.http_out.observer = Some(Arc::clone(&recorder) as _);
    options.observer = Some(recorder);
}

/// Begins to send what is told.
fn export(otlp: &OtlpConfig, host_id: &str) -> Result<Exporter, AppError> {
    let resource = [
        (semconv::SERVICE_NAME, otlp.service.as_str()),
        (semconv::SERVICE_VERSION, env!("CARGO_PKG_VERSION")),
        (semconv::SERVICE_INSTANCE_ID, host_id),
    ];
    let tls = otlp.telemetry.endpoint().is_tls();
    let tls = tls.then(|| tls_config(otlp.certificates.as_deref())).transpose();
    let started = otlp.telemetry.start(&resource, tls.map_err(AppError::TelemetryTls)?);
    started.map_err(AppError::Telemetry)
}

/// What delivers to sinks, by the rules for outgoing requests.
fn pusher(options: &Options) -> Result<Arc<dyn Push>, AppError> {
    let client = Client::new(options.http_out.clone()).map_err(AppError::Outgoing)?;
    Ok(Arc::new(Pusher::new(Arc::new(client))))
}

/// The least that the pipeline gets to close in.
const CLOSING: Duration = Duration::from_millis(500);
const LOOPBACK_V6: std::net::IpAddr = std::net::IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

/// The tokens, if they and TLS are enough for where this host listens.
fn tokens(config: &Config, tls: Option<&Tls>) -> Result<Tokens, AppError> {
    let file = TokenFile::new(&config.access.tokens);
    let fixed = config.token.as_ref().map(Token::as_bytes);
    let tokens = Tokens::open(file, config.access.required, fixed)?;
    let protection = Protection {
        authenticated: tokens.is_required() || tls.is_some_and(Tls::is_mutual),
        encrypted: tls.is_some(),
    };
    let allowed = exposure::check(config.listen, protection, config.access.insecure);
    allowed.map_err(AppError::Exposed)?;
    Ok(tokens)
}

/// What the audit log says of a start: the settings that decide who may come in.
fn started(config: &Config, address: SocketAddr, gate: &Gate) -> serde_json::Value {
    serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "listen": address.to_string(),
        "tls": config.tls.is_some(),
        "clientCertificates": config.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some()),
        "tokensRequired": gate.tokens().is_required(),
        "tokens": gate.tokens().names(),
    })
}

fn server(
    config: &Config,
    address: SocketAddr,
    pipeline: Pipeline,
    gate: Gate,
    tls: Option<Arc<Tls>>,
    tasks: &Tasks,
) -> Server {
    let http: HttpLimits = config.http.clone();
    Server {
        pipeline,
        hooks: Hooks::new(
            Arc::clone(&config.hooks),
            config.retired_hooks.clone(),
            config.public_url.clone(),
        ),
        handshake: config.handshake.clone(),
        trust: config.trust.clone(),
        guard: Guard::new(address, &config.allowed_hosts),
        gate,
        tls,
        bodies: BodyReader::new(http.body_memory_bytes, http.body_timeout),
        bounds: Bounds {
            event_bytes_max: http.event_bytes_max,
            batch_events_max: http.batch_events_max,
        },
        multiplexed: Arc::new(Semaphore::new(http.connections_max)),
        streams: Arc::new(Semaphore::new(http.streams_max)),
        samples: Samples::default(),
        settings: Fixed::of(config, address),
        telemetry: config.otlp.as_ref().map(|otlp| otlp.telemetry.clone()),
        shutdown: tasks.shutdown(),
        http,
    }
}
