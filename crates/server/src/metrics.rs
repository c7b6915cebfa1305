//! What is counted, for Prometheus. Labels are routes, methods, statuses and kinds: never ids, names or anything that a
//! client makes up.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;
use std::time::Duration;

const REQUESTS: &str = "ream_http_requests_total";
const DURATION: &str = "ream_http_request_duration_seconds";
const IN_FLIGHT: &str = "ream_http_requests_in_flight";
const CONNECTIONS: &str = "ream_http_connections";
const WATCHERS: &str = "ream_event_watchers";
const CHUNKS: &str = "ream_chunks_total";

const BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// This process's metrics.
pub(crate) struct Metrics(Option<PrometheusHandle>);

/// Something that is there until it is dropped.
pub(crate) struct Present(&'static str);

impl Drop for Present {
    fn drop(&mut self) {
        gauge!(self.0).decrement(1.0);
    }
}

fn present(name: &'static str) -> Present {
    gauge!(name).increment(1.0);
    Present(name)
}

impl Metrics {
    /// Of the whole process: several servers in one share them.
    pub(crate) fn new() -> Self {
        static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
        Self(HANDLE.get_or_init(install).clone())
    }

    pub(crate) fn begin(&self) -> Present {
        present(IN_FLIGHT)
    }

    pub(crate) fn connection() -> Present {
        present(CONNECTIONS)
    }

    pub(crate) fn watcher() -> Present {
        present(WATCHERS)
    }

    pub(crate) fn request(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let labels = [("method", method.to_owned()), ("route", route.to_owned())];
        histogram!(DURATION, &labels).record(took.as_secs_f64());
        let status = status.to_string();
        counter!(REQUESTS, "method" => method, "route" => route.to_owned(), "status" => status).increment(1);
    }

    /// Chunks that were claimed, completed, failed or released here.
    pub(crate) fn chunks(&self, what: &'static str, count: usize) {
        if count > 0 {
            counter!(CHUNKS, "what" => what).increment(count as u64);
        }
    }

    /// In Prometheus' text form.
    pub(crate) fn render(&self) -> String {
        self.0.as_ref().map(PrometheusHandle::render).unwrap_or_default()
    }

    /// Keeps what is remembered small.
    pub(crate) fn tidy(&self) {
        if let Some(handle) = &self.0 {
            handle.run_upkeep();
        }
    }
}

/// `None` where the process has a recorder of somebody else's: then it is told everything.
fn install() -> Option<PrometheusHandle> {
    let builder =
        PrometheusBuilder::new().set_buckets_for_metric(Matcher::Full(DURATION.to_owned()), &BUCKETS);
    let recorder = builder.ok()?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).ok()?;
    describe_counter!(REQUESTS, "Requests by method, route and status");
    describe_histogram!(DURATION, Unit::Seconds, "From a request's head to its answer's head");
    describe_gauge!(IN_FLIGHT, "Requests without an answer yet");
    describe_gauge!(CONNECTIONS, "Open connections");
    describe_gauge!(WATCHERS, "Streams of a job's events");
    describe_counter!(CHUNKS, "Chunks claimed, completed, failed and released through this server");
    Some(handle)
}
