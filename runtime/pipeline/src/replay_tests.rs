//! Replays of a pipeline without functions: what is made again, once, in order, over a restart.

use std::path::Path;
use std::time::Duration;

use triphammer_model::{Event, EventParts, Seq};

use crate::info::EventQuery;
use crate::{Entrance, FeedItem, NewReplay, Options, Pipeline, Running};

fn open(data: &Path) -> (Pipeline, Running) {
    let options = Options { data: data.to_owned(), workers: 1, ..Options::default() };
    Pipeline::open(&options).unwrap()
}

fn events(ty: &str, count: usize) -> Vec<Event> {
    let event = |n: usize| {
        let parts = EventParts {
            id: n.to_string(),
            source: "/s".into(),
            ty: ty.into(),
            ..EventParts::default()
        };
        Event::new(&parts).unwrap()
    };
    (0..count).map(event).collect()
}

fn of_type(ty: &str, rate: u32) -> NewReplay {
    let ty = Some(ty.parse().unwrap());
    NewReplay { events: EventQuery { ty, ..EventQuery::default() }, function: None, rate }
}

/// What the next `count` events are replays of.
async fn made(
    pipeline: &Pipeline,
    feed: &mut tokio::sync::broadcast::Receiver<std::sync::Arc<FeedItem>>,
    count: usize,
) -> Vec<Seq> {
    let mut of = Vec::new();
    while of.len() < count {
        let item = feed.recv().await.unwrap();
        let FeedItem::Accepted { seq, .. } = &*item else { continue };
        let story = pipeline.event(*seq).await.unwrap().unwrap();
        let mark = story.event.extension("replayof").unwrap().to_text();
        of.push(mark.parse().unwrap());
    }
    of
}

async fn accept(pipeline: &Pipeline, events: Vec<Event>) -> Vec<Seq> {
    let receipts = pipeline.accept(Entrance::Ingress, events).await.unwrap();
    receipts.iter().map(|receipt| receipt.seq).collect()
}

#[tokio::test]
async fn a_restart_goes_on_behind_the_last_step() {
    let data = tempfile::tempdir().unwrap();
    let (pipeline, running) = opened(data.path()).await;
    let wanted = accept(&pipeline, events("a.b", 300)).await;
    accept(&pipeline, events("c", 300)).await;
    let mut feed = pipeline.subscribe();
    let info = pipeline.replay(of_type("a.*", 200)).await.unwrap();
    assert!(info.replay.is_running());
    let mut found = made(&pipeline, &mut feed, 40).await;
    drop((feed, pipeline));
    stop(running).await;
    let (pipeline, running) = opened(data.path()).await;
    let mut feed = pipeline.subscribe();
    let before = pipeline.replay_info(1).await.unwrap().replay.done as usize;
    assert!(before >= 40, "{before}");
    // Those that were made between the last look and the stop.
    found.truncate(40);
    found.extend(&wanted[40..before]);
    found.extend(made(&pipeline, &mut feed, 300 - before).await);
    assert_eq!(found, wanted);
    let info = pipeline.replay_info(1).await.unwrap();
    assert_eq!((info.replay.done, info.replay.is_running()), (300, false));
    assert_eq!(info.events, Some(300));
    drop((feed, pipeline));
    stop(running).await;
}

#[tokio::test]
async fn one_that_is_cancelled_makes_no_more() {
    let data = tempfile::tempdir().unwrap();
    let (pipeline, running) = opened(data.path()).await;
    let wanted = accept(&pipeline, events("a", 100)).await;
    let mut feed = pipeline.subscribe();
    let info = pipeline.replay(of_type("a", 1)).await.unwrap();
    assert_eq!(made(&pipeline, &mut feed, 1).await, wanted[..1]);
    let cancelled = pipeline.cancel_replay(info.replay.id).await.unwrap().replay;
    assert_eq!(cancelled.state.as_str(), "cancelled");
    // Another one is not held up, and replays replays as well.
    pipeline.replay(of_type("a", 100_000)).await.unwrap();
    let all = made(&pipeline, &mut feed, 100 + cancelled.done as usize).await;
    assert_eq!(all[..100], wanted);
    assert_eq!(pipeline.replay_info(1).await.unwrap().replay, cancelled);
    drop((feed, pipeline));
    stop(running).await;
}

/// These block, and so are not for the test's own thread of tasks.
async fn stop(running: Running) {
    tokio::task::spawn_blocking(move || running.shutdown(Duration::from_secs(10))).await.unwrap();
}

async fn opened(data: &Path) -> (Pipeline, Running) {
    let data = data.to_owned();
    tokio::task::spawn_blocking(move || open(&data)).await.unwrap()
}
