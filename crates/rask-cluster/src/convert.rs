//! Between values in memory and what travels.

use std::sync::Arc;

use rask_proto::{
    Failure, LayerOptions, LayerSpec, LengthSpec, OriginSpec, Packed, Resource, SizeSpec,
    VariedOptions,
};
use rask_value::{
    Annotations, ByBlock, Encoded, Frames, Origin, OutputSizes, SpanPath, TaskError, codec,
};

/// An encoded value or op, to be sent.
pub fn pack(encoded: Encoded) -> Packed {
    Packed::new(encoded.kind, encoded.frames.header, encoded.frames.buffers)
}

/// A received value or op, to be decoded.
pub fn unpack(packed: Packed) -> Encoded {
    Encoded {
        kind: packed.kind,
        frames: Frames {
            header: packed.header,
            buffers: packed.buffers,
        },
    }
}

/// The user's line, to be sent.
pub(crate) fn pack_origin(origin: &Origin) -> OriginSpec {
    OriginSpec {
        file: origin.file.to_string(),
        line: origin.line,
        function: origin.function.to_string(),
    }
}

/// A span, to be sent.
pub(crate) fn pack_span(span: &SpanPath) -> rask_proto::SpanPath {
    rask_proto::SpanPath {
        names: span.names.clone(),
        ids: span.ids.clone(),
    }
}

/// A span, received.
pub(crate) fn unpack_span(span: rask_proto::SpanPath) -> SpanPath {
    SpanPath {
        names: span.names,
        ids: span.ids,
    }
}

/// Bytes of blocks, to be sent.
pub(crate) fn pack_sizes(sizes: &OutputSizes) -> SizeSpec {
    let axes = sizes.axes.iter();
    let lengths = axes.map(|axis| LengthSpec::from_lengths(axis.iter().map(|&n| n as u64)));
    SizeSpec {
        item_bytes: sizes.item_bytes,
        axes: lengths.collect(),
        is_dense: sizes.is_dense,
    }
}

/// The user's line, received.
pub(crate) fn unpack_origin(origin: &OriginSpec) -> Origin {
    Origin {
        file: origin.file.as_str().into(),
        line: origin.line,
        function: origin.function.as_str().into(),
        span: None,
        annotations: None,
    }
}

/// Bytes of an encoded exception beyond which only its text travels.
const EXCEPTION_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a message, and of the text of a traceback, that travel.
const MESSAGE_BYTES_MAX: usize = 10_000;
const TRACEBACK_BYTES_MAX: usize = 100_000;

/// The start and the end of a long text.
fn shorten(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let start = text.floor_char_boundary(bytes_max / 2);
    let end = text.ceil_char_boundary(text.len() - bytes_max / 2);
    let (first, last) = (&text[..start], &text[end..]);
    format!("{first} […{} bytes left out…] {last}", end - start)
}

/// A task's error, to be sent. An exception that cannot be encoded, or is very large, travels as
/// text only.
pub fn failure_from_task(error: &TaskError, layer: &str, block: u32) -> Failure {
    let exception = error.exception.as_ref();
    Failure {
        message: shorten(&error.message, MESSAGE_BYTES_MAX),
        traceback: error
            .traceback
            .as_ref()
            .map(|text| shorten(text, TRACEBACK_BYTES_MAX)),
        exception: exception
            .and_then(|value| value.encode().ok())
            .filter(|encoded| encoded.frames.nbytes() <= EXCEPTION_BYTES_MAX)
            .map(pack),
        origin: error.origin.as_ref().map(pack_origin),
        layer: layer.to_owned(),
        block,
        ..Failure::default()
    }
}

/// A task's error, received. An exception that cannot be decoded here is left out; the text stays.
pub fn task_from_failure(failure: &Failure) -> TaskError {
    let exception = failure.exception.clone().map(unpack);
    TaskError {
        message: failure.message.clone(),
        traceback: failure.traceback.clone(),
        exception: exception.and_then(|encoded| codec::decode_value(&encoded).ok()),
        origin: failure.origin.as_ref().map(unpack_origin),
    }
}

/// How the tasks of a layer are to be run, as a message.
fn pack_annotations(annotations: &Annotations) -> LayerOptions {
    let resources = annotations.resources.iter();
    LayerOptions {
        priority: annotations.priority,
        retries: annotations.retries,
        workers: annotations.workers.clone(),
        allow_other_workers: annotations.allow_other_workers,
        resources: resources
            .map(|(name, amount)| Resource {
                name: name.clone(),
                amount: *amount,
            })
            .collect(),
        timeout_millis: annotations.timeout_millis,
        retry_millis: annotations.retry_millis,
        retry_millis_max: annotations.retry_millis_max,
    }
}

/// The reverse of [`pack_annotations`].
fn unpack_annotations(options: &LayerOptions) -> Annotations {
    let resources = options.resources.iter();
    Annotations {
        priority: options.priority,
        retries: options.retries,
        workers: options.workers.clone(),
        allow_other_workers: options.allow_other_workers,
        resources: resources.map(|r| (r.name.clone(), r.amount)).collect(),
        timeout_millis: options.timeout_millis,
        retry_millis: options.retry_millis,
        retry_millis_max: options.retry_millis_max,
        ..Annotations::default()
    }
}

/// Says of a layer how its tasks are to be run.
pub(crate) fn annotate(spec: &mut LayerSpec, annotations: Option<&Annotations>) {
    match annotations.and_then(|annotations| annotations.by_block.as_deref()) {
        Some(by_block) => {
            // Times are those of all blocks.
            let times = by_block.kinds.first().map(|kind| LayerOptions {
                timeout_millis: kind.timeout_millis,
                retry_millis: kind.retry_millis,
                retry_millis_max: kind.retry_millis_max,
                ..LayerOptions::default()
            });
            spec.options = times.map(Box::new);
            spec.varied = Some(Box::new(VariedOptions {
                options: by_block.kinds.iter().map(pack_annotations).collect(),
                of_blocks: by_block.of_blocks.clone(),
            }));
        }
        None => spec.options = annotations.map(pack_annotations).map(Box::new),
    }
}

/// The reverse of [`annotate`].
pub(crate) fn find_annotations(spec: &LayerSpec) -> Option<Annotations> {
    let Some(varied) = &spec.varied else {
        return spec.options.as_deref().map(unpack_annotations);
    };
    Some(Annotations {
        by_block: Some(Arc::new(ByBlock {
            kinds: varied.options.iter().map(unpack_annotations).collect(),
            of_blocks: varied.of_blocks.clone(),
        })),
        ..Annotations::default()
    })
}
