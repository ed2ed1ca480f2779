//! Prometheus remote write 1.0: series as a receiver takes them.
//!
//! In: series with their own timestamps. Out: bodies of requests, protobuf in a snappy block. Refuses to know: how they
//! travel. Limits: labels are sorted here and an empty one is left out, as the protocol wants; timestamps must ascend.

use prost::Message;

/// One series; labels without `__name__`.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub name: String,
    pub labels: Vec<(String, String)>,
    /// Milliseconds of Unix time, and the value.
    pub samples: Vec<(i64, f64)>,
}

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

impl Series {
    fn wire(&self, from_ms: i64, to_ms: i64) -> Option<TimeSeries> {
        let inside = self.samples.iter().filter(|(at, _)| (from_ms..to_ms).contains(at));
        let samples: Vec<Sample> =
            inside.map(|(timestamp, value)| Sample { value: *value, timestamp: *timestamp }).collect();
        if samples.is_empty() {
            return None;
        }
        let name = ("__name__".to_owned(), self.name.clone());
        let given = self.labels.iter().filter(|(_, value)| !value.is_empty()).cloned();
        let mut labels: Vec<Label> = given.chain([name]).map(|(name, value)| Label { name, value }).collect();
        labels.sort_by(|a, b| a.name.cmp(&b.name));
        Some(TimeSeries { labels, samples })
    }
}

/// The body for all samples from `from_ms` until before `to_ms`; `None` where there is none.
pub fn body(series: &[Series], from_ms: i64, to_ms: i64) -> Option<Vec<u8>> {
    let timeseries: Vec<TimeSeries> = series.iter().filter_map(|one| one.wire(from_ms, to_ms)).collect();
    if timeseries.is_empty() {
        return None;
    }
    let message = WriteRequest { timeseries }.encode_to_vec();
    Some(snap::raw::Encoder::new().compress_vec(&message).expect("far below snappy's 4 GB"))
}
