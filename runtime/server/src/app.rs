//! The whole host: built from a configuration, run until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::info;
use triphammer_outbound::{Client, SetupError};
use triphammer_pipeline::{OpenError, Options, Pipeline, Push, Running};

use crate::body::BodyReader;
use crate::codec::Bounds;
use crate::config::{Config, ConfigError, HttpLimits};
use crate::guard::Guard;
use crate::hooks::Hooks;
use crate::listen;
use crate::push::Pusher;
use crate::route::Server;
use crate::tasks::{TaskError, TaskKind, Tasks};

/// A host that has recovered and listens, and answers once it is [run](Self::run).
#[derive(Debug)]
pub struct App {
    address: SocketAddr,
    listener: TcpListener,
    pipeline: Pipeline,
    running: Running,
    config: Config,
}

/// Why the host did not start, or had to end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("can't listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("requests can't go out")]
    Outgoing(#[source] SetupError),
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
            Self::Listen { .. } => "host.listen",
            Self::Outgoing(error) => error.code(),
            Self::Open(error) => error.code(),
            Self::Failed(_) => "host.failed",
        }
    }
}

impl App {
    /// Listens, then opens the data directory and recovers. Connections that come meanwhile wait.
    pub async fn build(config: Config) -> Result<Self, AppError> {
        let listen_error = |source| AppError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let mut options = config.pipeline.clone();
        options.push = Some(pusher(&options)?);
        let opening = tokio::task::spawn_blocking(move || Pipeline::open(&options)).await;
        let (pipeline, running) = match opening {
            Ok(opened) => opened.map_err(Box::new)?,
            Err(error) => return Err(AppError::Failed(error.to_string())),
        };
        Ok(Self { address, listener, pipeline, running, config })
    }

    /// Where this host answers, without a slash at the end.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            let local = if address.is_ipv4() { [127, 0, 0, 1].into() } else { LOOPBACK_V6 };
            address.set_ip(local);
        }
        format!("http://{address}")
    }

    /// The address that it listens on, with the port that it was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `signal` resolves, then finishes what is running and closes the data
    /// directory. Ends with an error when the journal fails.
    pub async fn run(self, signal: impl Future<Output = ()>) -> Result<(), AppError> {
        let Self { address, listener, pipeline, mut running, config } = self;
        let grace = config.shutdown_grace;
        let mut tasks = Tasks::new();
        let server = Arc::new(server(&config, address, pipeline, &tasks));
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
        let closed = tokio::task::spawn_blocking(move || running.shutdown(left)).await;
        let outcome = match (failed, result) {
            (Some(reason), _) | (None, Err(TaskError::Failed(reason))) => Err(reason),
            (None, Err(error @ TaskError::Panicked(_))) => Err(error.to_string()),
            (None, Ok(())) => closed.map_err(|error| error.to_string()),
        };
        outcome.map_err(AppError::Failed)
    }
}

/// What delivers to sinks, by the rules for outgoing requests.
fn pusher(options: &Options) -> Result<Arc<dyn Push>, AppError> {
    let client = Client::new(options.http_out.clone()).map_err(AppError::Outgoing)?;
    Ok(Arc::new(Pusher::new(Arc::new(client))))
}

/// The least that the pipeline gets to close in.
const CLOSING: Duration = Duration::from_millis(500);
const LOOPBACK_V6: std::net::IpAddr = std::net::IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

fn server(config: &Config, address: SocketAddr, pipeline: Pipeline, tasks: &Tasks) -> Server {
    let http: HttpLimits = config.http.clone();
    Server {
        pipeline,
        hooks: Hooks::new(
            Arc::clone(&config.hooks),
            config.retired_hooks.clone(),
            config.public_url.clone(),
        ),
        handshake: config.handshake.clone(),
        guard: Guard::new(address, &config.allowed_hosts, config.token.clone()),
        bodies: BodyReader::new(http.body_memory_bytes, http.body_timeout),
        bounds: Bounds {
            event_bytes_max: http.event_bytes_max,
            batch_events_max: http.batch_events_max,
        },
        streams: Arc::new(Semaphore::new(http.streams_max)),
        shutdown: tasks.shutdown(),
        http,
    }
}
