//! The names of a model's inputs and outputs, as the user's model file has them.
//!
//! NNEF identifiers are ASCII words, and tract's writer turns every other character into `_`, so that
//! two names can become one. An archive therefore has plain names in its graph and the true ones in
//! its properties, `edgekit.input.0` and so on, percent-encoded because tract's reader does not
//! undo all the escapes that its writer makes in strings.

use tract_core::prelude::{OutletId, TypedModel};

use crate::{Error, Result};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    Input,
    Output,
}

impl Side {
    fn key(self, position: usize) -> String {
        match self {
            Self::Input => format!("edgekit.input.{position}"),
            Self::Output => format!("edgekit.output.{position}"),
        }
    }
}

/// Write the name of an input or output into the model's properties.
#[cfg(feature = "import")]
pub(crate) fn write(model: &mut TypedModel, side: Side, position: usize, name: &str) {
    let value = tract_core::internal::rctensor0(encode(name));
    model.properties.insert(side.key(position), value);
}

/// Read the name of an input or output; an archive made elsewhere has it in its graph.
pub(crate) fn read(
    model: &TypedModel,
    side: Side,
    position: usize,
    outlet: OutletId,
) -> Result<String> {
    let key = side.key(position);
    if let Some(value) = model.properties.get(&key) {
        let text = value
            .try_as_plain_ram()
            .and_then(|plain| plain.to_scalar::<String>().cloned());
        return text
            .ok()
            .and_then(|text| decode(&text))
            .ok_or_else(|| Error::Archive {
                reason: format!("property `{key}` is no encoded name"),
            });
    }
    let label = model.outlet_label(outlet);
    Ok(label.unwrap_or(&model.node(outlet.node).name).to_owned())
}

#[cfg(any(test, feature = "import"))]
fn encode(name: &str) -> String {
    use std::fmt::Write;
    name.bytes()
        .fold(String::with_capacity(name.len()), |mut text, byte| {
            if byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte) {
                text.push(char::from(byte));
            } else {
                write!(text, "%{byte:02x}").expect("a String takes any text");
            }
            text
        })
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn usual_names_stay_readable() {
        assert_eq!(encode("/conv1/Relu_output.0:0"), "/conv1/Relu_output.0:0");
        assert_eq!(encode("1 'é'\n"), "1%20%27%c3%a9%27%0a");
    }

    #[test]
    fn a_broken_encoding_is_refused() {
        for text in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in any::<String>()) {
            prop_assert_eq!(decode(&encode(&name)), Some(name));
        }
    }
}
