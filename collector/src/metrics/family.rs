//! Families built from figures that are kept elsewhere.
//!
//! In: name, help, figures. Out: what the `prometheus` crate encodes.

use crate::ingest::Histogram;
use prometheus::proto::{self, LabelPair, Metric, MetricFamily, MetricType};

/// A family that is being filled.
pub struct Filling {
    family: MetricFamily,
    metrics: Vec<Metric>,
}

pub fn counter(name: &str, help: &str) -> Filling {
    filling(name, help, MetricType::COUNTER)
}

pub fn gauge(name: &str, help: &str) -> Filling {
    filling(name, help, MetricType::GAUGE)
}

fn filling(name: &str, help: &str, kind: MetricType) -> Filling {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    Filling { family, metrics: Vec::new() }
}

impl Filling {
    /// One line with its labels.
    pub fn with(mut self, labels: &[(&str, &str)], value: f64) -> Self {
        let mut metric = Metric::from_label(labels.iter().map(|(name, value)| label(name, value)).collect());
        if self.family.get_field_type() == MetricType::COUNTER {
            let mut counter = proto::Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = proto::Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.metrics.push(metric);
        self
    }

    /// The only line, without labels.
    pub fn of(self, value: f64) -> MetricFamily {
        self.with(&[], value).done()
    }

    pub fn done(mut self) -> MetricFamily {
        self.family.set_metric(self.metrics);
        self.family
    }
}

/// A line for each value of one label.
pub fn labelled(family: Filling, label: &str, figures: &[(&'static str, u64)]) -> MetricFamily {
    let fill = |family: Filling, (value, count): &(&'static str, u64)| family.with(&[(label, value)], *count as f64);
    figures.iter().fold(family, fill).done()
}

pub fn histogram(name: &str, help: &str, figures: &Histogram) -> MetricFamily {
    let mut cumulative = 0;
    let mut buckets = Vec::new();
    for (bound, count) in figures.buckets() {
        cumulative += count;
        // The encoder writes the infinite bucket from the count.
        if bound.is_finite() {
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(cumulative);
            buckets.push(bucket);
        }
    }
    let mut histogram = proto::Histogram::default();
    histogram.set_bucket(buckets);
    histogram.set_sample_count(cumulative);
    histogram.set_sample_sum(figures.sum_seconds());
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    let mut filling = filling(name, help, MetricType::HISTOGRAM);
    filling.metrics.push(metric);
    filling.done()
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}
