//! Reports about what a cluster did, made by the scheduler.

/// Begins or ends a report.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReportRequest {
    /// Ends the report of this name, and gives its page; if empty, another begins.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The name of the file that it is for.
    #[prost(string, tag = "2")]
    pub name: String,
    /// What runs, as its user wrote it.
    #[prost(string, tag = "3")]
    pub code: String,
}

/// A report.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReportPage {
    /// Names the report that began; empty if what was asked for is not there.
    #[prost(string, tag = "1")]
    pub key: String,
    /// HTML.
    #[prost(string, tag = "2")]
    pub page: String,
    /// Why there is none.
    #[prost(string, tag = "3")]
    pub refusal: String,
    /// Where the scheduler writes it if the client is gone before its end.
    #[prost(string, tag = "4")]
    pub folder: String,
}
