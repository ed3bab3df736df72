//! Archives that are cut, damaged or no archives at all: errors, and nothing worse.

use crate::support::{doubling, tar, text};
use edgekit_engine::{Error, Session};
use proptest::prelude::*;

const END: [u8; 1024] = [0; 1024];

type Files<'a> = &'a [(&'a str, &'a [u8])];

/// A whole text around one line of a graph.
fn graph(line: &str) -> Vec<u8> {
    text(&format!(
        "graph network(x) -> (y) {{\n  x = external(shape = [4]);\n  {line}\n}}"
    ))
}

/// An NNEF tensor file that says it has these sizes, and has no data.
fn tensor(data_bytes: u32, dims: [u32; 2], bits: u32, item_type: u16, vendor: u16) -> Vec<u8> {
    let mut header = vec![0x4e, 0xef, 1, 0];
    header.extend(data_bytes.to_le_bytes());
    header.extend(2_u32.to_le_bytes());
    header.extend(dims.iter().flat_map(|dim| dim.to_le_bytes()));
    header.resize(44, 0);
    header.extend(bits.to_le_bytes());
    header.extend(item_type.to_le_bytes());
    header.extend(vendor.to_le_bytes());
    header.resize(128, 0);
    header
}

fn refusal(archive: &[u8]) -> String {
    match Session::load(archive) {
        Err(Error::Archive { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plain_graph_loads() {
    Session::load(&tar(&[("graph.nnef", &graph("y = x + 1.0;"))])).unwrap();
}

#[test]
fn every_cut_is_an_error() {
    let archive = doubling(2, 3);
    Session::load(&archive).unwrap();
    for length in (0..archive.len())
        .step_by(7)
        .chain((0..archive.len()).step_by(512))
    {
        refusal(&archive[..length]);
    }
}

#[test]
fn what_does_not_belong_in_an_archive_is_refused() {
    let good = graph("y = x + 1.0;");
    let cases: [(Files, &str); 4] = [
        (&[], "it has no `graph.nnef`"),
        (
            &[("sub/graph.nnef", &good)],
            "`sub/graph.nnef` does not belong in it",
        ),
        (
            &[("graph.nnef", &good), ("a.nnef.tar", &END)],
            "`a.nnef.tar` does not belong in it",
        ),
        (
            &[("graph.nnef", &good), ("a.dat", &[0; 100])],
            "`a.dat` is cut short",
        ),
    ];
    for (files, reason) in cases {
        assert_eq!(refusal(&tar(files)), reason);
    }
}

#[test]
fn links_are_refused() {
    let mut tar = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_entry_type(::tar::EntryType::Symlink);
    header.set_size(0);
    tar.append_link(&mut header, "graph.nnef", "/etc/hostname")
        .unwrap();
    assert_eq!(
        refusal(&tar.into_inner().unwrap()),
        "`graph.nnef` is no plain file"
    );
}

#[test]
fn sizes_that_would_exhaust_memory_are_refused() {
    let graph = graph("v = variable(label = 'v', shape = [1]); y = x + v;");
    let huge = u32::MAX;
    for (file, reason) in [
        (
            tensor(huge, [huge, 1], 8, 2, 0),
            "`v.dat` has 0 bytes of data, not 4294967295",
        ),
        // Strings, for which tract makes room before it reads any.
        (
            tensor(0, [huge, huge], huge, 0x1000, 0x5452),
            "`v.dat` has elements that are no plain numbers",
        ),
    ] {
        assert_eq!(
            refusal(&tar(&[("graph.nnef", &graph), ("v.dat", &file)])),
            reason
        );
    }
}

#[test]
fn deep_nesting_is_refused() {
    let signs = "-".repeat(1_000_000);
    let brackets = "(".repeat(1_000_000);
    let spaced = "- ".repeat(100_000);
    for deep in [signs, brackets, spaced] {
        let reason = refusal(&tar(&[("graph.nnef", &graph(&format!("y = {deep}x;")))]));
        assert_eq!(reason, "`graph.nnef` nests deeper than 16 levels");
    }
}

#[test]
fn a_permutation_that_is_none_is_refused() {
    let reason = refusal(&tar(&[(
        "graph.nnef",
        &graph("y = transpose(x, axes = [0, 0]);"),
    )]));
    assert_eq!(reason, "`graph.nnef` names an axis twice: [0, 0]");
}

#[test]
fn brackets_in_strings_and_comments_do_not_nest() {
    let quiet = format!("# {0}\n  y = x + 1.0; # '{0}\n", "(".repeat(100));
    Session::load(&tar(&[("graph.nnef", &graph(&quiet))])).unwrap();
}

#[test]
fn an_unknown_operator_is_named() {
    let reason = refusal(&tar(&[("graph.nnef", &graph("y = no_such_thing(x);"))]));
    assert!(reason.contains("no_such_thing"), "{reason}");
    assert!(!reason.to_lowercase().contains("backtrace"), "{reason}");
}

proptest! {
    #[test]
    fn random_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        prop_assert!(Session::load(&bytes).is_err());
        prop_assert!(Session::load(&[&bytes[..], &END].concat()).is_err());
    }

    #[test]
    fn damaged_archives_never_do_worse_than_fail(
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut archive = doubling(2, 3);
        for (place, byte) in places {
            let place = place.index(archive.len());
            archive[place] = byte;
        }
        let _ = Session::load(&archive);
    }
}
