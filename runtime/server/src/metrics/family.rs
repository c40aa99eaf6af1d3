//! A metric as data, and how it is written for a Prometheus: the OpenMetrics text format
//! (<https://prometheus.io/docs/specs/om/open_metrics_spec/>). Knows no particular metric.

use std::fmt::Error;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use triphammer_pipeline::{BOUNDS_US, TimesTotal};

/// A metric and all its samples. A counter's name is without the `_total` that is written behind it.
#[derive(Clone, Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) samples: Samples,
}

pub(super) type Labels = Vec<(&'static str, String)>;

#[derive(Clone, Debug)]
pub(super) enum Samples {
    Counter(Vec<(Labels, u64)>),
    /// One that is no whole number.
    CounterOf(f64),
    Gauge(Vec<(Labels, f64)>),
    Histogram(Vec<(Labels, Histogram)>),
}

#[derive(Clone, Debug)]
pub(super) struct Histogram {
    pub(super) sum: Duration,
    pub(super) count: u64,
    /// The upper bound of each class in seconds, and how many are in this one alone.
    pub(super) classes: Vec<(f64, u64)>,
}

impl From<&TimesTotal> for Histogram {
    fn from(total: &TimesTotal) -> Self {
        let bounds = BOUNDS_US.iter().map(|us| *us as f64 / 1e6).chain([f64::INFINITY]);
        let classes = bounds.zip(total.classes).collect();
        Self { sum: total.sum, count: total.count, classes }
    }
}

impl Family {
    /// A counter without labels.
    pub(super) fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, samples: Samples::Counter(vec![(Labels::new(), value)]) }
    }

    /// A gauge without labels.
    pub(super) fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, samples: Samples::Gauge(vec![(Labels::new(), value)]) }
    }

    /// A counter for each value of one label.
    pub(super) fn counters(
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: &[(&str, u64)],
    ) -> Self {
        let sample = |(text, value): &(&str, u64)| (vec![(label, (*text).to_owned())], *value);
        Self { name, help, samples: Samples::Counter(values.iter().map(sample).collect()) }
    }

    /// A gauge for each value of one label.
    pub(super) fn gauges(
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: &[(&str, u64)],
    ) -> Self {
        let sample =
            |(text, value): &(&str, u64)| (vec![(label, (*text).to_owned())], *value as f64);
        Self { name, help, samples: Samples::Gauge(values.iter().map(sample).collect()) }
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let kind = match self.samples {
            Samples::Counter(_) | Samples::CounterOf(_) => MetricType::Counter,
            Samples::Gauge(_) => MetricType::Gauge,
            Samples::Histogram(_) => MetricType::Histogram,
        };
        let mut metric = encoder.encode_descriptor(self.name, self.help, None, kind)?;
        match &self.samples {
            Samples::CounterOf(value) => metric.encode_counter::<NoLabelSet, _, f64>(value, None),
            Samples::Counter(all) => each(&mut metric, all, |metric, value| {
                metric.encode_counter::<NoLabelSet, _, f64>(value, None)
            }),
            Samples::Gauge(all) => each(&mut metric, all, |metric, value| {
                // Whole numbers are written as such.
                if value.fract() == 0.0 && value.abs() < 9e15 {
                    metric.encode_gauge(&(*value as i64))
                } else {
                    metric.encode_gauge(value)
                }
            }),
            Samples::Histogram(all) => each(&mut metric, all, |metric, histogram| {
                let Histogram { sum, count, classes } = histogram;
                metric.encode_histogram::<NoLabelSet>(sum.as_secs_f64(), *count, classes, None)
            }),
        }
    }
}

fn each<T>(
    metric: &mut MetricEncoder<'_>,
    samples: &[(Labels, T)],
    encode: impl Fn(&mut MetricEncoder<'_>, &T) -> Result<(), Error>,
) -> Result<(), Error> {
    for (labels, value) in samples {
        match labels.as_slice() {
            [] => encode(metric, value)?,
            labels => encode(&mut metric.encode_family(&labels)?, value)?,
        }
    }
    Ok(())
}

/// All metrics as of one moment.
#[derive(Debug)]
struct Scrape(Vec<Family>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        self.0.iter().try_for_each(|family| family.encode(&mut encoder))
    }
}

/// How the text is to be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    OpenMetrics,
    /// The format that was before it: a counter is declared with its suffix, and there is no end.
    Prometheus,
}

/// Their text. Families without a sample are left out: nothing is told of what is not there.
pub(super) fn text(mut families: Vec<Family>, format: Format) -> Result<String, Error> {
    families.retain(|family| !family.samples.is_empty());
    let is_counter = |f: &&Family| matches!(f.samples, Samples::Counter(_) | Samples::CounterOf(_));
    let counters: Vec<&'static str> = families.iter().filter(is_counter).map(|f| f.name).collect();
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(families)));
    let mut text = String::with_capacity(32 << 10);
    encode(&mut text, &registry)?;
    match format {
        Format::OpenMetrics => Ok(text),
        Format::Prometheus => Ok(before_open_metrics(&text, &counters)),
    }
}

fn before_open_metrics(text: &str, counters: &[&str]) -> String {
    let mut out = String::with_capacity(text.len() + counters.len() * 16);
    for line in text.lines().filter(|line| *line != "# EOF") {
        let declared = ["# HELP ", "# TYPE "].iter().find_map(|word| {
            let (name, rest) = line.strip_prefix(word)?.split_once(' ')?;
            counters.contains(&name).then(|| format!("{word}{name}_total {rest}"))
        });
        out.push_str(declared.as_deref().unwrap_or(line));
        out.push('\n');
    }
    out
}

impl Samples {
    fn is_empty(&self) -> bool {
        match self {
            Self::Counter(all) => all.is_empty(),
            Self::CounterOf(_) => false,
            Self::Gauge(all) => all.is_empty(),
            Self::Histogram(all) => all.is_empty(),
        }
    }
}
