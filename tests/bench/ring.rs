//! The ring without HTTP: what journal, pipeline and sandbox cost per event.
//!
//! `cargo run --release -p triphammer-pipeline --example ring -- COMPONENT [events] [batch] [senders] [subjects]`
//!
//! Sends 1 KB JSON events, keyed by subject, and counts them when they are committed. Figures are
//! of the whole process.

use std::env::args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use triphammer_model::{Event, EventParts};
use triphammer_pipeline::{Deploy, Entrance, Options, Pipeline, Share};

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Load {
    events: u64,
    batch: u64,
    senders: u64,
    subjects: u64,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = args().skip(1).collect();
    let component = arguments.first().ok_or("which component?")?;
    let number = |index: usize, otherwise: u64| match arguments.get(index) {
        Some(text) => text.parse(),
        None => Ok(otherwise),
    };
    let load = Load {
        events: number(1, 200_000)?,
        batch: number(2, 1)?,
        senders: number(3, 64)?,
        subjects: number(4, 10_000)?,
    };
    let scratch = tempfile::tempdir()?;
    let options = Options { data: PathBuf::from(scratch.path()), ..Options::default() };
    let (pipeline, running) = Pipeline::open(&options)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let wasm = Bytes::from(std::fs::read(component)?);
    let deploy = Deploy { wasm, manifest: None, config: None, activate: true, share: Share::All };
    runtime.block_on(pipeline.deploy(Some("bench".parse()?), deploy))?;
    runtime.block_on(send(&pipeline, &load))?;
    running.shutdown(Duration::from_secs(10));
    Ok(())
}

async fn send(pipeline: &Pipeline, load: &Load) -> Result<(), Failure> {
    let next = Arc::new(AtomicU64::new(0));
    let (began, cpu_began) = (Instant::now(), cpu()?);
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..load.senders {
        let (pipeline, next) = (pipeline.clone(), Arc::clone(&next));
        let (events, batch, subjects) = (load.events, load.batch, load.subjects);
        senders.spawn(async move {
            loop {
                let first = next.fetch_add(batch, Ordering::Relaxed);
                if first >= events {
                    return Ok::<(), Failure>(());
                }
                let batch = (first..first + batch).map(|n| event(n, subjects));
                let batch = batch.collect::<Result<Vec<_>, _>>()?;
                pipeline.accept(Entrance::Ingress, batch).await?;
            }
        });
    }
    while let Some(sender) = senders.join_next().await {
        sender??;
    }
    let accepted = began.elapsed();
    let total = load.events.div_ceil(load.batch) * load.batch;
    while pipeline.stats().committed < total {
        tokio::task::yield_now().await;
        std::thread::sleep(Duration::from_millis(1));
    }
    let committed = began.elapsed();
    let cpu_us = (cpu()? - cpu_began).as_secs_f64() * 1e6 / total as f64;
    let stats = pipeline.stats();
    let per_s = |took: Duration| total as f64 / took.as_secs_f64();
    let syncs = stats.journal_syncs as f64 / total as f64;
    let mut out = std::io::stdout().lock();
    std::io::Write::write_all(
        &mut out,
        format!(
            "{total} events: accepted {:.0}/s, committed {:.0}/s, CPU {cpu_us:.1} µs/event, \
             {syncs:.3} syncs/event, {} bytes/event\n",
            per_s(accepted),
            per_s(committed),
            stats.journal_bytes / total,
        )
        .as_bytes(),
    )?;
    Ok(())
}

fn event(n: u64, subjects: u64) -> Result<Event, triphammer_model::InvalidEvent> {
    let subject = n % subjects;
    let note = "x".repeat(900);
    let data = format!(
        r#"{{"customer":"c-{subject}","amount":{},"note":"{note}","items":[{{"article":"a","quantity":2}},{{"article":"b","quantity":1}}]}}"#,
        n % 1000
    );
    Event::new(&EventParts {
        id: n.to_string(),
        source: "/bench".into(),
        ty: "bench.event".into(),
        subject: Some(format!("s-{subject}")),
        datacontenttype: Some("application/json".into()),
        data: Some(data.into()),
        ..EventParts::default()
    })
}

/// User and system time of this process.
fn cpu() -> Result<Duration, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    // USER_HZ is 100 on every Linux.
    Ok(Duration::from_millis(ticks * 10))
}
