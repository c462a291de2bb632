//! Between client and scheduler. Layers are numbered by the client.

use bytes::Bytes;

use crate::frame::{Parts, impl_wire};
use crate::{Blocks, Failure, Inline, LayerSpec, Packed, ProtoError, WorkerSummary};

/// What a client tells the scheduler.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum FromClient {
    #[prost(message, tag = "1")]
    Submit(Submit),
    /// The client has no use for these any more.
    #[prost(message, tag = "2")]
    Release(Blocks),
    #[prost(message, tag = "3")]
    Cancel(Cancel),
    /// Run these failed blocks, and what they need, again.
    #[prost(message, tag = "4")]
    Retry(Blocks),
    /// A worker could not hand over values that it was said to hold.
    #[prost(message, tag = "5")]
    FetchFailed(FetchFailed),
    #[prost(message, tag = "6")]
    Query(Query),
    /// These layers' numbers mean nothing any more.
    #[prost(message, tag = "7")]
    ForgetLayers(Blocks),
    /// First of all.
    #[prost(message, tag = "240")]
    Hello(crate::Hello),
    /// The client leaves for good.
    #[prost(message, tag = "241")]
    Bye(()),
}

/// Layers to add, and the blocks of them that the client wants.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Submit {
    #[prost(message, repeated, tag = "1")]
    pub layers: Vec<LayerSpec>,
    /// Positions in `layers` and blocks there.
    #[prost(message, optional, tag = "2")]
    pub wanted: Option<Blocks>,
    /// Higher runs earlier.
    #[prost(sint32, tag = "3")]
    pub priority: i32,
    /// How many times a task that raises is run again.
    #[prost(uint32, tag = "4")]
    pub retries: u32,
    /// Names, addresses or hosts of the workers that may run this; any if empty.
    #[prost(string, repeated, tag = "5")]
    pub workers: Vec<String>,
    /// `workers` is a wish: others may be used if none of them is there.
    #[prost(bool, tag = "6")]
    pub allow_other_workers: bool,
    /// What a task takes of a worker's resources while it runs.
    #[prost(message, repeated, tag = "7")]
    pub resources: Vec<crate::Resource>,
    /// Hold every wanted block on this many workers, at least one.
    #[prost(uint32, tag = "8")]
    pub replicas: u32,
    /// Nobody waits for these: keep them wanted until they end.
    #[prost(bool, tag = "9")]
    pub fire_and_forget: bool,
    /// A task that runs for longer fails; 0 is without limit.
    #[prost(uint32, tag = "320")]
    pub timeout_millis: u32,
    /// These tasks may not run twice without need.
    #[prost(bool, tag = "240")]
    pub impure: bool,
    /// Time until a task that raised is run again the first time; about twice as long each further
    /// time.
    #[prost(uint32, tag = "220")]
    pub retry_millis: u32,
    /// The longest of these times; 0 is without limit.
    #[prost(uint32, tag = "221")]
    pub retry_millis_max: u32,
    /// The task that submits this, if one does: what it submits is counted as it is, and runs before
    /// what was to run after it.
    #[prost(message, optional, tag = "222")]
    pub submitted_by: Option<crate::TaskNumber>,
    /// Where layers belong that were made in no span.
    #[prost(message, optional, tag = "300")]
    pub span: Option<crate::SpanPath>,
}

/// Blocks to cancel.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Cancel {
    #[prost(message, optional, tag = "1")]
    pub blocks: Option<Blocks>,
    /// Also if other clients want them.
    #[prost(bool, tag = "2")]
    pub force: bool,
    /// Another client has cancelled them, of which this one may not have heard: how it is written
    /// in a journal that has been made smaller.
    #[prost(bool, tag = "360")]
    pub by_another: bool,
}

/// Blocks that `worker` did not hand over.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FetchFailed {
    #[prost(message, optional, tag = "1")]
    pub blocks: Option<Blocks>,
    #[prost(uint32, tag = "2")]
    pub worker: u32,
}

/// A question; the answer has the same number.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Query {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(
        oneof = "QueryBody",
        tags = "2, 3, 4, 5, 6, 7, 220, 221, 222, 240, 300, 301, 302, 303, 304, 317, 318, 320, 321, 322, 323, 324, 325, 340, 341, 342, 343, 344, 345"
    )]
    pub body: Option<QueryBody>,
}

/// What a client may ask.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum QueryBody {
    /// About the scheduler and its workers.
    #[prost(message, tag = "2")]
    Info(()),
    /// Which workers hold these blocks.
    #[prost(message, tag = "3")]
    Holders(Blocks),
    /// Cancel everything and replace the worker processes.
    #[prost(message, tag = "4")]
    Restart(()),
    /// Stop these workers, by name or address, once what only they hold is elsewhere.
    #[prost(message, tag = "5")]
    Retire(Names),
    /// Stop scheduler and workers.
    #[prost(message, tag = "6")]
    Shutdown(()),
    /// Names of the blocks that each worker holds.
    #[prost(message, tag = "7")]
    Contents(()),
    /// Names of the blocks that each worker has been given to run. Answered with Contents.
    #[prost(message, tag = "317")]
    Processing(()),
    /// What this task runs and is given. Answered with Recipe.
    #[prost(message, tag = "318")]
    Recipe(crate::BlockName),
    /// Keep a plugin, for the workers that join later too. Answered with Done.
    #[prost(message, tag = "320")]
    PutPlugin(crate::Plugin),
    /// Forget a plugin. Answered with the plugins that were removed.
    #[prost(message, tag = "321")]
    RemovePlugin(crate::PluginName),
    /// The plugins of one kind whose names begin with this one. Answered with Plugins.
    #[prost(message, tag = "322")]
    Plugins(crate::PluginName),
    /// Something for the helper process. Answered with Called.
    #[prost(message, tag = "323")]
    Helper(crate::HelperCall),
    /// Replace the processes of these workers, by name or address.
    #[prost(message, tag = "324")]
    RestartWorkers(Names),
    /// How much there is to do.
    #[prost(message, tag = "325")]
    Load(()),
    /// Hold blocks on several workers. Answered with Done when it is so.
    #[prost(message, tag = "220")]
    Replicate(crate::Replicate),
    /// Spread values evenly. Answered with Done when it is so.
    #[prost(message, tag = "221")]
    Rebalance(crate::Rebalance),
    /// Whom work is counted for. Answered with Shares.
    #[prost(message, tag = "222")]
    Shares(()),
    /// Steers the dropping of superfluous copies. Answered with MemoryManager.
    #[prost(message, tag = "240")]
    MemoryManager(crate::MemoryManager),
    /// The tasks that ended last.
    #[prost(message, tag = "340")]
    TaskStream(crate::TaskStreamQuery),
    /// Topics. Answered with Events.
    #[prost(message, tag = "341")]
    Events(crate::EventRequest),
    /// The last so many lines that the scheduler logged; all that are kept if 0. Answered with Logs.
    #[prost(uint64, tag = "342")]
    Logs(u64),
    /// What tasks went through. Answered with Story.
    #[prost(message, tag = "343")]
    Story(crate::StoryQuery),
    /// Everything about tasks. Answered with Dump.
    #[prost(message, tag = "344")]
    Dump(()),
    /// What scheduler and workers run on. Answered with Versions.
    #[prost(message, tag = "345")]
    Versions(()),
    /// Something that clients share. Answered with Coordinated.
    #[prost(message, tag = "300")]
    Coordinate(crate::CoordinationRequest),
    /// What became of spans. Answered with Spans.
    #[prost(message, tag = "301")]
    Spans(crate::SpanQuery),
    /// Keep a note with a span. Answered with Done, also if the span is not known.
    #[prost(message, tag = "302")]
    NoteSpan(crate::SpanNote),
    /// Sample the workers' memory. Answered with Samples.
    #[prost(message, tag = "303")]
    Sample(crate::SampleRequest),
    /// A report about what happens. Answered with Report.
    #[prost(message, tag = "304")]
    Report(crate::ReportRequest),
}

/// A list of names.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Names {
    #[prost(string, repeated, tag = "1")]
    pub names: Vec<String>,
}

/// What the scheduler tells a client.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum ToClient {
    /// The workers from which results can be fetched; sent when it changes.
    #[prost(message, tag = "1")]
    Peers(crate::Peers),
    #[prost(message, tag = "2")]
    Finished(Finished),
    #[prost(message, tag = "3")]
    Erred(Erred),
    /// Not in memory any more; being made again.
    #[prost(message, tag = "4")]
    Lost(Blocks),
    #[prost(message, tag = "5")]
    Cancelled(Blocks),
    #[prost(message, tag = "6")]
    Answer(Answer),
    /// A submission that cannot be run.
    #[prost(message, tag = "7")]
    Rejected(Rejected),
    /// First of all.
    #[prost(message, tag = "240")]
    Welcome(crate::SessionWelcome),
    /// What need not be said again.
    #[prost(message, tag = "241")]
    Received(crate::Received),
}

/// Where a worker listens.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PeerAddress {
    #[prost(uint32, tag = "1")]
    pub worker: u32,
    /// Text; shared by the messages to all who are told.
    #[prost(bytes = "bytes", tag = "2")]
    pub address: Bytes,
}

impl PeerAddress {
    /// The address as text; what is no text is no address.
    pub fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.address).into_owned()
    }
}

/// Blocks in memory.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Finished {
    #[prost(message, optional, tag = "1")]
    pub blocks: Option<Blocks>,
    /// A worker that holds the block.
    #[prost(uint32, repeated, tag = "2")]
    pub workers: Vec<u32>,
    #[prost(message, optional, tag = "3")]
    pub inline: Option<Inline>,
}

/// Blocks that failed, or that need one that failed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Erred {
    #[prost(message, optional, tag = "1")]
    pub blocks: Option<Blocks>,
    #[prost(message, optional, tag = "2")]
    pub failure: Option<Failure>,
}

/// Blocks of a submission that is refused, and why.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Rejected {
    #[prost(message, optional, tag = "1")]
    pub blocks: Option<Blocks>,
    #[prost(string, tag = "2")]
    pub reason: String,
}

/// The answer to a question.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Answer {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(
        oneof = "AnswerBody",
        tags = "2, 3, 4, 5, 222, 240, 300, 301, 303, 304, 318, 320, 321, 322, 340, 341, 342, 343, 344, 345"
    )]
    pub body: Option<AnswerBody>,
}

/// What the scheduler answers.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum AnswerBody {
    #[prost(message, tag = "2")]
    Info(Info),
    #[prost(message, tag = "3")]
    Holders(Holders),
    #[prost(message, tag = "4")]
    Done(()),
    #[prost(message, tag = "5")]
    Contents(Contents),
    #[prost(message, tag = "222")]
    Shares(crate::Shares),
    #[prost(message, tag = "240")]
    MemoryManager(crate::MemoryManager),
    #[prost(message, tag = "318")]
    Recipe(crate::Recipe),
    #[prost(message, tag = "320")]
    Plugins(crate::Plugins),
    #[prost(message, tag = "321")]
    Called(crate::CallReply),
    #[prost(message, tag = "322")]
    Load(crate::Load),
    #[prost(message, tag = "300")]
    Coordinated(crate::CoordinationReply),
    #[prost(message, boxed, tag = "301")]
    Spans(Box<crate::Spans>),
    #[prost(message, tag = "303")]
    Samples(crate::Samples),
    #[prost(message, tag = "304")]
    Report(crate::ReportPage),
    #[prost(message, tag = "340")]
    TaskStream(crate::TaskStream),
    #[prost(message, tag = "341")]
    Events(crate::Events),
    #[prost(message, tag = "342")]
    Logs(crate::LogLines),
    #[prost(message, boxed, tag = "343")]
    Story(Box<crate::Story>),
    #[prost(message, boxed, tag = "344")]
    Dump(Box<crate::StateDump>),
    #[prost(message, tag = "345")]
    Versions(crate::ClusterVersions),
}

/// About the scheduler and its workers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Info {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(message, repeated, tag = "2")]
    pub workers: Vec<WorkerSummary>,
    #[prost(uint64, tag = "3")]
    pub tasks: u64,
    #[prost(uint32, tag = "4")]
    pub clients: u32,
}

/// Holders of some blocks, in the order asked: block `i` has `workers[offsets[i]..offsets[i + 1]]`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Holders {
    #[prost(uint32, repeated, tag = "1")]
    pub offsets: Vec<u32>,
    #[prost(uint32, repeated, tag = "2")]
    pub workers: Vec<u32>,
    /// Bytes of each block, 0 where it is in no memory.
    #[prost(uint64, repeated, tag = "3")]
    pub nbytes: Vec<u64>,
}

/// What each worker holds.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Contents {
    #[prost(uint32, repeated, tag = "1")]
    pub workers: Vec<u32>,
    /// Index into `names`.
    #[prost(uint32, repeated, tag = "2")]
    pub layers: Vec<u32>,
    #[prost(uint32, repeated, tag = "3")]
    pub blocks: Vec<u32>,
    #[prost(string, repeated, tag = "4")]
    pub names: Vec<String>,
    /// Bytes of each block.
    #[prost(uint64, repeated, tag = "300")]
    pub nbytes: Vec<u64>,
    /// For each of `names`, whether the layer has more blocks than one.
    #[prost(bool, repeated, tag = "301")]
    pub numbered: Vec<bool>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FromClientEnvelope {
    #[prost(oneof = "FromClient", tags = "1, 2, 3, 4, 5, 6, 7, 240, 241")]
    body: Option<FromClient>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ToClientEnvelope {
    #[prost(oneof = "ToClient", tags = "1, 2, 3, 4, 5, 6, 7, 240, 241")]
    body: Option<ToClient>,
}

impl_wire!(FromClient, FromClientEnvelope);
impl_wire!(ToClient, ToClientEnvelope);

impl Parts for FromClient {
    fn for_each_packed(
        &mut self,
        visit: &mut dyn FnMut(&mut Packed) -> Result<(), ProtoError>,
    ) -> Result<(), ProtoError> {
        if let FromClient::Query(query) = self {
            return visit_query(query, visit);
        }
        let FromClient::Submit(submit) = self else {
            return Ok(());
        };
        for layer in &mut submit.layers {
            layer.op.iter_mut().try_for_each(&mut *visit)?;
            layer.pages.iter_mut().try_for_each(&mut *visit)?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), ProtoError> {
        match self {
            FromClient::Submit(submit) => check_some(&submit.wanted),
            FromClient::Release(blocks)
            | FromClient::Retry(blocks)
            | FromClient::ForgetLayers(blocks) => blocks.check(),
            FromClient::Cancel(cancel) => check_some(&cancel.blocks),
            FromClient::FetchFailed(failed) => check_some(&failed.blocks),
            FromClient::Hello(_) | FromClient::Bye(()) => Ok(()),
            FromClient::Query(query) => match &query.body {
                Some(QueryBody::Holders(blocks)) => blocks.check(),
                Some(QueryBody::Replicate(wish)) => check_some(&wish.blocks),
                Some(QueryBody::Rebalance(wish)) => check_some(&wish.blocks),
                Some(QueryBody::Coordinate(request)) => {
                    request.item().map_or(Ok(()), crate::Item::check)
                }
                _ => Ok(()),
            },
        }
    }
}

impl Parts for ToClient {
    fn for_each_packed(
        &mut self,
        visit: &mut dyn FnMut(&mut Packed) -> Result<(), ProtoError>,
    ) -> Result<(), ProtoError> {
        match self {
            ToClient::Erred(erred) => erred
                .failure
                .iter_mut()
                .filter_map(|failure| failure.exception.as_mut())
                .try_for_each(visit),
            ToClient::Answer(answer) => match &mut answer.body {
                Some(AnswerBody::Plugins(plugins)) => plugins.for_each_packed(visit),
                Some(AnswerBody::Events(events)) => events.for_each_packed(visit),
                Some(AnswerBody::Recipe(recipe)) => recipe.for_each_packed(visit),
                Some(AnswerBody::Called(reply)) => reply.for_each_packed(visit),
                Some(AnswerBody::Coordinated(reply)) => reply
                    .items
                    .iter_mut()
                    .filter_map(|item| item.value.as_mut())
                    .try_for_each(visit),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn check(&self) -> Result<(), ProtoError> {
        match self {
            ToClient::Finished(finished) => check_some(&finished.blocks),
            ToClient::Erred(erred) => check_some(&erred.blocks),
            ToClient::Lost(blocks) | ToClient::Cancelled(blocks) => blocks.check(),
            ToClient::Rejected(rejected) => check_some(&rejected.blocks),
            ToClient::Answer(answer) => match &answer.body {
                Some(AnswerBody::Dump(dump)) => dump.check(),
                _ => Ok(()),
            },
            ToClient::Peers(_) | ToClient::Welcome(_) | ToClient::Received(_) => Ok(()),
        }
    }
}

fn visit_query(
    query: &mut Query,
    visit: &mut dyn FnMut(&mut Packed) -> Result<(), ProtoError>,
) -> Result<(), ProtoError> {
    match &mut query.body {
        Some(QueryBody::Events(request)) => request.for_each_packed(visit),
        Some(QueryBody::PutPlugin(plugin)) => plugin.content.iter_mut().try_for_each(visit),
        Some(QueryBody::Coordinate(request)) => request
            .item_mut()
            .and_then(|item| item.value.as_mut())
            .map_or(Ok(()), visit),
        Some(QueryBody::Helper(call)) => call.body.iter_mut().try_for_each(visit),
        _ => Ok(()),
    }
}

fn check_some(blocks: &Option<Blocks>) -> Result<(), ProtoError> {
    blocks.as_ref().map_or(Ok(()), Blocks::check)
}

/// A finished block with a holder and its inline value.
pub type FinishedEntry = ((u32, u32), u32, Option<Bytes>);

impl Finished {
    /// Each block with a holder and its inline value.
    pub fn try_entries(&self) -> Result<Vec<FinishedEntry>, ProtoError> {
        let blocks = self.blocks.as_ref();
        let count = blocks.map_or(0, Blocks::len);
        crate::error::check_columns("finished", count, self.workers.len())?;
        let inline = match &self.inline {
            Some(inline) => inline.split()?,
            None => vec![None; count],
        };
        crate::error::check_columns("finished", count, inline.len())?;
        let blocks = blocks.into_iter().flat_map(Blocks::iter);
        let rest = self.workers.iter().copied().zip(inline);
        Ok(blocks.zip(rest).map(|(b, (w, v))| (b, w, v)).collect())
    }
}
