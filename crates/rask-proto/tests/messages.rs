//! Messages come back as they were, and bytes that are no message are refused without panic.

use bytes::Bytes;
use proptest::prelude::*;
use rask_graph::{AxisMap, Grid, Input, InputMap, Layer, LayerId};
use rask_proto::{
    Assign, Blocks, Frame, FromClient, FromPeer, FromWorker, Inline, InlineBuilder, LayerSpec,
    Packed, PeerData, ProtoError, Submit, ToClient, ToPeer, ToWorker, Wire,
};

fn layer() -> Layer {
    let axes = [
        AxisMap::Same(0),
        AxisMap::Fixed(0),
        AxisMap::All,
        AxisMap::Shift { axis: 1, offset: 2 },
        AxisMap::Ranges {
            axis: 0,
            ranges: [(0, 1), (1, 3)].into(),
        },
        AxisMap::Lists {
            axis: 0,
            offsets: [0, 1, 2].into(),
            items: [5, 6].into(),
        },
    ];
    Layer {
        name: "add-1".into(),
        grid: Grid::new([2, 3]),
        inputs: [
            Input {
                layer: LayerId(0),
                map: InputMap::Axes(axes.into_iter().collect()),
            },
            Input {
                layer: LayerId(1),
                map: InputMap::Explicit {
                    offsets: [0, 1, 2, 2, 2, 2, 2].into(),
                    blocks: [0, 0].into(),
                },
            },
        ]
        .into_iter()
        .collect(),
    }
}

#[test]
fn rules_come_back_as_they_were() {
    let spec = LayerSpec::from_layer(&layer());
    let back = spec.try_layer(|number| Some(LayerId(number))).unwrap();
    assert_eq!(back, layer());
}

#[test]
fn a_submission_comes_back_with_its_buffers() {
    let large = Bytes::from(vec![7u8; 5000]);
    let mut spec = LayerSpec::from_layer(&layer());
    spec.op = Some(Packed::new(
        "op",
        Bytes::from_static(b"head"),
        vec![large.clone()],
    ));
    spec.pages = vec![
        Packed::new("page", Bytes::new(), vec![Bytes::from_static(b"small")]),
        Packed::new("page", Bytes::new(), vec![large.clone(), large]),
    ];
    let message = FromClient::Submit(Submit {
        layers: vec![spec],
        wanted: Some(Blocks::from_iter([(0, 1), (0, 2)])),
        priority: -3,
        ..Submit::default()
    });
    let frame = message.clone().into_frame();
    assert_eq!(frame.payloads.len(), 3);
    assert_eq!(FromClient::try_from_frame(frame).unwrap(), message);
}

#[test]
fn a_frame_without_its_payloads_is_refused() {
    let value = Packed::new("v", Bytes::new(), vec![Bytes::from(vec![0u8; 4000])]);
    let data = ToPeer::Data(PeerData {
        id: 1,
        found: vec![0],
        values: vec![value],
        ..PeerData::default()
    });
    let mut frame = data.into_frame();
    frame.payloads.clear();
    let refused = ToPeer::try_from_frame(frame);
    assert!(matches!(refused, Err(ProtoError::MissingPayload)));
}

#[test]
fn columns_of_different_lengths_are_refused() {
    let assign = ToWorker::Assign(Assign {
        tasks: Some(Blocks::from_iter([(0, 0)])),
        ..Assign::default()
    });
    let refused = ToWorker::try_from_frame(assign.into_frame());
    assert!(matches!(refused, Err(ProtoError::Columns { .. })));
}

#[test]
fn inline_values_come_back_one_by_one() {
    let mut builder = InlineBuilder::default();
    builder.push("s", b"abc", &[]);
    builder.push_none();
    builder.push("pickle", b"h", &[Bytes::from_static(b"one"), Bytes::new()]);
    let flats = builder.finish().split().unwrap();
    let read = |at: usize| Inline::read(flats[at].clone().unwrap()).unwrap();
    assert_eq!(
        read(0),
        Packed::new("s", Bytes::from_static(b"abc"), Vec::new())
    );
    assert!(flats[1].is_none());
    let buffers = vec![Bytes::from_static(b"one"), Bytes::new()];
    assert_eq!(
        read(2),
        Packed::new("pickle", Bytes::from_static(b"h"), buffers)
    );
}

#[test]
fn a_grid_of_too_many_blocks_is_refused() {
    let spec = LayerSpec {
        grid: vec![1 << 20, 1 << 20],
        ..LayerSpec::default()
    };
    assert!(spec.try_grid().is_err());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(control: Vec<u8>, payloads: Vec<Vec<u8>>) {
        let frame = Frame {
            control: control.into(),
            payloads: payloads.into_iter().map(Bytes::from).collect(),
        };
        let _ = FromClient::try_from_frame(frame.clone());
        let _ = ToClient::try_from_frame(frame.clone());
        let _ = FromWorker::try_from_frame(frame.clone());
        let _ = ToWorker::try_from_frame(frame.clone());
        let _ = FromPeer::try_from_frame(frame.clone());
        let _ = ToPeer::try_from_frame(frame);
    }

    #[test]
    fn arbitrary_flattened_values_never_panic(flat: Vec<u8>) {
        let _ = Inline::read(flat.into());
    }

    #[test]
    fn changed_submissions_never_panic(at in 0usize..200, byte: u8) {
        let message = FromClient::Submit(Submit {
            layers: vec![LayerSpec::from_layer(&layer())],
            wanted: Some(Blocks::from_iter([(0, 1)])),
            ..Submit::default()
        });
        let mut control = message.into_frame().control.to_vec();
        let at = at % control.len();
        control[at] = byte;
        let frame = Frame { control: control.into(), payloads: Vec::new() };
        if let Ok(FromClient::Submit(submit)) = FromClient::try_from_frame(frame) {
            for spec in &submit.layers {
                let _ = spec.try_layer(|number| Some(LayerId(number)));
            }
        }
    }
}

/// Field 999 with the value 1, as an older peer that does not know it meets it.
const NEWER_FIELD: [u8; 3] = [0xb8, 0x3e, 0x01];

#[test]
fn fields_of_newer_peers_are_skipped() {
    let message = ToClient::Cancelled(Blocks::from_iter([(1, 2), (3, 4)]));
    let control = message.clone().into_frame().control;
    let (tag, length, body) = (control[0], control[1], &control[2..]);
    let outside = [&control[..], &NEWER_FIELD].concat();
    let inside = [&[tag, length + 3], body, &NEWER_FIELD].concat();
    for control in [outside, inside] {
        let frame = Frame {
            control: control.into(),
            payloads: Vec::new(),
        };
        assert_eq!(ToClient::try_from_frame(frame).unwrap(), message);
    }
}

#[test]
fn messages_of_newer_peers_are_refused_by_name() {
    let frame = Frame {
        control: Bytes::from_static(&NEWER_FIELD),
        payloads: Vec::new(),
    };
    let refused = ToWorker::try_from_frame(frame).unwrap_err();
    assert!(matches!(refused, ProtoError::UnknownMessage));
    assert!(refused.to_string().contains("newer"));
}
