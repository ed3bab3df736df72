//! What an archive may hold.
//!
//! tract's reader is made for models one trusts: some sizes in the files reach the allocator unchecked, its
//! parser recurses as deep as the text nests, and either can end the process. An archive is therefore
//! looked over first. This keeps accidents (a cut or damaged file) errors; it does not make a
//! stranger's archive safe to load.

use std::io::Read;

use crate::{Error, Result};

const GRAPH: &str = "graph.nnef";
const QUANTISATION: &str = "graph.quant";
const TENSOR: &str = ".dat";

/// The size of the unit in which a tar file is written, and of the two of zeros at its end, in bytes.
const BLOCK: usize = 512;
const END: usize = 2 * BLOCK;

/// The size of an NNEF tensor file's header, in bytes.
const TENSOR_HEADER: usize = 128;

/// How deep brackets may nest: tract's parser doubles its work with each level. What tract writes has
/// about half of that.
const DEPTH_LIMIT: usize = 16;

/// Look `archive` over.
///
/// # Errors
///
/// [`Error::Archive`] unless it is a whole tar file of one graph and plain tensors.
pub(crate) fn check(archive: &[u8]) -> Result<()> {
    let end = archive
        .len()
        .checked_sub(END)
        .map(|start| &archive[start..]);
    let whole = end.is_some_and(|end| end.iter().all(|&byte| byte == 0));
    if !whole || !archive.len().is_multiple_of(BLOCK) {
        return wrong("it is no tar file, or not all of one");
    }
    let mut has_graph = false;
    for file in tar::Archive::new(archive).entries().map_err(unreadable)? {
        has_graph |= check_file(&mut file.map_err(unreadable)?)?;
    }
    if has_graph {
        Ok(())
    } else {
        wrong("it has no `graph.nnef`")
    }
}

/// Check one file; return whether it is the graph.
fn check_file(file: &mut tar::Entry<'_, &[u8]>) -> Result<bool> {
    let path = String::from_utf8_lossy(&file.path_bytes()).into_owned();
    if !file.header().entry_type().is_file() {
        return wrong(format!("`{path}` is no plain file"));
    }
    let size = file.size();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()) != Ok(size) {
        return wrong(format!("`{path}` is cut short"));
    }
    if path == GRAPH {
        check_nesting(&bytes)?;
        check_axes(&String::from_utf8_lossy(&bytes))?;
    } else if path.ends_with(TENSOR) {
        check_tensor(&path, &bytes)?;
    } else if path != QUANTISATION {
        return wrong(format!("`{path}` does not belong in it"));
    }
    Ok(path == GRAPH)
}

/// Refuse a tensor that is not the size it says, or is no plain numbers.
fn check_tensor(path: &str, file: &[u8]) -> Result<()> {
    let Some((header, data)) = file.split_first_chunk::<TENSOR_HEADER>() else {
        return wrong(format!("`{path}` is cut short"));
    };
    let data_bytes = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    if u32::try_from(data.len()) != Ok(data_bytes) {
        return wrong(format!(
            "`{path}` has {} bytes of data, not {data_bytes}",
            data.len()
        ));
    }
    let vendor = u16::from_le_bytes([header[50], header[51]]);
    if vendor != 0 {
        return wrong(format!("`{path}` has elements that are no plain numbers"));
    }
    Ok(())
}

/// Refuse text that nests too deep. Signs count as levels too: the parser recurses for each.
fn check_nesting(text: &[u8]) -> Result<()> {
    let (mut depth, mut signs) = (0_usize, 0_usize);
    let mut text = text.iter();
    while let Some(&byte) = text.next() {
        match byte {
            b'(' | b'[' | b'{' | b'<' => depth += 1,
            b')' | b']' | b'}' | b'>' => depth = depth.saturating_sub(1),
            b'#' => while text.next().is_some_and(|&byte| byte != b'\n') {},
            b'"' | b'\'' => skip_string(&mut text, byte),
            _ => {}
        }
        match byte {
            b'+' | b'-' | b'!' => signs += 1,
            byte if byte.is_ascii_whitespace() => {}
            _ => signs = 0,
        }
        if depth + signs > DEPTH_LIMIT {
            return wrong(format!("`{GRAPH}` nests deeper than {DEPTH_LIMIT} levels"));
        }
    }
    Ok(())
}

/// Refuse an axis named twice: tract would look for such a permutation until memory runs out.
fn check_axes(text: &str) -> Result<()> {
    for list in text.split("axes = [").skip(1) {
        let list = list.split(']').next().unwrap_or(list);
        let axes: Vec<_> = list.split(',').map(str::trim).collect();
        if (1..axes.len()).any(|i| axes[..i].contains(&axes[i])) {
            return wrong(format!("`{GRAPH}` names an axis twice: [{list}]"));
        }
    }
    Ok(())
}

fn skip_string(text: &mut std::slice::Iter<'_, u8>, quote: u8) {
    while let Some(&byte) = text.next() {
        if byte == b'\\' {
            text.next();
        } else if byte == quote {
            return;
        }
    }
}

fn wrong<T>(reason: impl Into<String>) -> Result<T> {
    Err(Error::Archive {
        reason: reason.into(),
    })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape of map_err's argument"
)]
fn unreadable(error: std::io::Error) -> Error {
    Error::Archive {
        reason: error.to_string(),
    }
}
